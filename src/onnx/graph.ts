/** A graph as a whole: its inputs and outputs, the order of its nodes, and how to rebuild it. */
import { UserError } from '../errors.ts';
import { applyTo, isEmittedNode } from './apply.ts';
import { call, reshape, transpose } from './ops.ts';
import { isOp, type Node, operands, type Value } from './value.ts';

/** A graph to serialize, print or run: its inputs in order, and its outputs by name. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: Readonly<Record<string, Value>>;
  /** The order in which its nodes are to run, where that matters; each after those it uses. */
  readonly order?: readonly Node[];
}

/** All nodes of a graph, inputs first, in the order in which they run. */
export function executionOrder(graph: Graph): Node[] {
  const first = (graph.order ?? []).flatMap(({ outputs: [value] }): Value[] => (value ? [value] : []));
  return topologicalOrder([...graph.inputs, ...first, ...Object.values(graph.outputs)]);
}

/**
 * Throws UserError where an output needs an input that the graph does not list: its file would be invalid. `call` is
 * what the caller called.
 */
export function expectInputs(call: string, { name, inputs, outputs }: Graph): void {
  const given = new Set(inputs.map(({ node }) => node));
  for (const node of topologicalOrder(Object.values(outputs))) {
    if (!isOp(node, 'Input') || given.has(node)) continue;
    throw new UserError(
      `${call}: ${name}: expected every input that the outputs need among \`inputs\`, got no ${node.attributes.name}; add it`,
    );
  }
}

/** The graph without an order of its own, as it is read back from a file: files do not keep the order. */
export function unordered({ name, inputs, outputs }: Graph): Graph {
  return { name, inputs, outputs };
}

/** The graph with all its outputs rewritten by a pass. Where one changes, the graph loses the order of its nodes. */
export function mapOutputs(graph: Graph, pass: (outputs: readonly Value[]) => readonly Value[]): Graph {
  const names = Object.keys(graph.outputs);
  const before = Object.values(graph.outputs);
  const outputs = pass(before);
  if (outputs.every((value, i) => value === before[i])) return graph;
  return {
    ...unordered(graph),
    outputs: Object.fromEntries(outputs.map((value, i) => [names[i] ?? '', value])),
  };
}

type Resolve = (value: Value) => Value;

/**
 * The nodes that the values depend on, each after the nodes it uses. Iterative, since training graphs are
 * thousands of nodes deep. `resolve` may replace each value that the walk meets. `of` may list a node's operands in
 * another order, which becomes the order in which they are computed.
 */
export function topologicalOrder(
  values: Iterable<Value>,
  resolve: Resolve = (value) => value,
  of: (node: Node) => readonly Value[] = operands,
): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const nodes: Node[] = [];
  const uses: (readonly Value[])[] = [];
  const next: number[] = [];
  const enter = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    nodes.push(node);
    uses.push(of(node));
    next.push(0);
  };
  for (const value of values) {
    enter(resolve(value).node);
    for (let top = nodes.length - 1; top >= 0; top = nodes.length - 1) {
      const at = next[top] ?? 0;
      const operand = uses[top]?.[at];
      if (operand) {
        next[top] = at + 1;
        enter(resolve(operand).node);
        continue;
      }
      const done = nodes.pop();
      if (done) order.push(done);
      uses.pop();
      next.pop();
    }
  }
  return order;
}

/** The results of a node's op on other inputs. A call gets a new body, since its body is built on its inputs. */
export function withInputs(node: Node, inputs: readonly Value[]): readonly Value[] {
  if (isOp(node, 'Call')) return call(node.attributes.composite, inputs);
  return isEmittedNode(node) ? applyTo(node.op, inputs, node.attributes) : node.outputs;
}

/** Gives the values that replace a node's outputs, one for each, from its rewritten inputs. */
export type Rewrite = (node: Node, inputs: readonly Value[]) => readonly Value[];

/** The rewrite that keeps a node, on its rewritten inputs. */
export const keep: Rewrite = (node, inputs) => {
  const unchanged = operands(node).every((value, i) => value === inputs[i]);
  if (unchanged) return node.outputs;
  const [x] = inputs;
  // reshape() and transpose() merge with one that their operand comes from.
  if (isOp(node, 'Reshape') && x) return [reshape(x, node.attributes.shape)];
  if (isOp(node, 'Transpose') && x) return [transpose(x, node.attributes.perm)];
  return withInputs(node, inputs);
};

/** The values after rewriting every node they depend on, inputs first. */
export function rewriteGraph(
  values: readonly Value[],
  rewrite: Rewrite,
  resolve: Resolve = (value) => value,
): Value[] {
  const rewritten = new Map<Node, readonly Value[]>();
  const lookUp = (value: Value): Value => {
    const { node, output } = resolve(value);
    const now = rewritten.get(node)?.[output];
    if (!now) throw new Error(`internal: ${node.op} was rewritten without its output ${output}`);
    return now;
  };
  for (const node of topologicalOrder(values, resolve)) {
    rewritten.set(node, rewrite(node, operands(node).map(lookUp)));
  }
  return values.map(lookUp);
}

/** The values, with some of the values that they depend on replaced by others of the same types. */
export function substitute(values: readonly Value[], by: ReadonlyMap<Value, Value>): Value[] {
  return rewriteGraph(values, keep, (value) => by.get(value) ?? value);
}

/** The graph with every composite replaced by its body. */
export function inlineCalls(values: readonly Value[]): Value[] {
  return rewriteGraph(values, keep, (value) => {
    let resolved = value;
    while (isOp(resolved.node, 'Call')) {
      const { composite, body }: { composite: { name: string }; body: readonly Value[] } =
        resolved.node.attributes;
      const target = body[resolved.output];
      if (!target) throw new Error(`internal: composite ${composite.name} has no output ${resolved.output}`);
      resolved = target;
    }
    return resolved;
  });
}
