/** The order in which a file's nodes can run. */
import { show, UserError } from '../errors.ts';
import type { GraphProto, NodeProto } from '../onnx/proto.ts';
import type { OnnxNode } from './onnx-node.ts';

/** The names that a node needs: its inputs, and what its graphs use of the graph around them. */
export function needs({ inputs, captured }: Pick<OnnxNode, 'inputs' | 'captured'>): string[] {
  return [...inputs, ...captured].filter((name) => name !== '');
}

/**
 * The nodes, each after those that it needs; they are so already in nearly every file. `given`: the names that no node
 * gives. Throws UserError where two give one name, where nothing gives it, and where nodes wait for each other.
 */
export function ordered(nodes: readonly OnnxNode[], given: ReadonlySet<string>): readonly OnnxNode[] {
  const makers = makersOf(nodes, given);
  const seen = new Set(given);
  const isOrdered = nodes.every((node) => {
    const isReady = needs(node).every((name) => seen.has(name));
    for (const name of node.outputs) seen.add(name);
    return isReady;
  });
  return isOrdered ? nodes : sorted(nodes, makers, given);
}

function makersOf(nodes: readonly OnnxNode[], given: ReadonlySet<string>): Map<string, OnnxNode> {
  const makers = new Map<string, OnnxNode>();
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (makers.has(name) || given.has(name)) {
        throw new UserError(
          `import: node ${node.name} (${node.op}): ${show(name)} is given a second time; the file is damaged`,
        );
      }
      makers.set(name, node);
    }
  }
  return makers;
}

function sorted(
  nodes: readonly OnnxNode[],
  makers: ReadonlyMap<string, OnnxNode>,
  given: ReadonlySet<string>,
): OnnxNode[] {
  const waiting = new Map<OnnxNode, number>();
  const users = new Map<OnnxNode, OnnxNode[]>();
  for (const node of nodes) {
    const needed = new Set<OnnxNode>();
    for (const name of needs(node)) {
      const maker = makers.get(name);
      if (maker) needed.add(maker);
      else if (!given.has(name)) {
        throw new UserError(
          `import: node ${node.name} (${node.op}): nothing in the file gives ${show(name)}; the file is damaged`,
        );
      }
    }
    waiting.set(node, needed.size);
    for (const maker of needed) {
      const list = users.get(maker);
      if (list) list.push(node);
      else users.set(maker, [node]);
    }
  }
  const order = nodes.filter((node) => waiting.get(node) === 0);
  // Grows while it is walked.
  for (const node of order) {
    for (const user of users.get(node) ?? []) {
      const left = (waiting.get(user) ?? 0) - 1;
      waiting.set(user, left);
      if (left === 0) order.push(user);
    }
  }
  if (order.length === nodes.length) return order;
  const stuck = nodes.filter((node) => (waiting.get(node) ?? 0) > 0).map(({ name }) => name);
  const some = stuck.slice(0, 5).join(', ');
  throw new UserError(
    `import: expected nodes that can run one after the other, got ${stuck.length} of which some wait for each other, among them ${some}; the file is damaged`,
  );
}

/** The graphs in a node's attributes: branches and loop bodies. */
export function graphsOf({ attribute }: NodeProto): GraphProto[] {
  return attribute.flatMap(({ g, graphs = [] }) => (g ? [g, ...graphs] : graphs));
}

/** What the graphs within a node use that they do not give themselves. */
export function capturedNames(node: NodeProto): string[] {
  const captured = new Set<string>();
  for (const graph of graphsOf(node)) {
    const own = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
    for (const sparse of graph.sparseInitializer ?? []) own.add(sparse.values?.name ?? '');
    for (const inner of graph.node) {
      for (const name of [...inner.input, ...capturedNames(inner)]) {
        if (name !== '' && !own.has(name)) captured.add(name);
      }
      for (const name of inner.output) own.add(name);
    }
    for (const { name } of graph.output) if (!own.has(name)) captured.add(name);
  }
  return [...captured];
}
