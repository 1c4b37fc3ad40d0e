/**
 * Readable names for a finished graph. A node is named after its part of the model and its op, as in
 * `block0/attn/query/Gemm`. The part is not stored in the graph but derived: a node that uses a parameter belongs to
 * that parameter's layer, and any other node belongs to the part of the operand that is computed last.
 */
import { executionOrder, type Graph } from './graph.ts';
import { isOp, type Node, operands, type Value } from './value.ts';

export interface Names {
  readonly order: readonly Node[];
  readonly node: (node: Node) => string;
  readonly value: (value: Value) => string;
}

export function nameGraph(graph: Graph): Names {
  const order = executionOrder(graph);
  const position = new Map(order.map((node, i) => [node, i]));
  const parts = new Map<Node, string>();
  const nodes = new Map<Node, string>();
  const given = order.flatMap((node) => (isOp(node, 'Input') ? [node.attributes.name] : []));
  const unique = uniqueNames(graph.name, [...given, ...Object.keys(graph.outputs)]);
  for (const node of order) {
    const part = partOf(node, parts, position);
    parts.set(node, part);
    nodes.set(
      node,
      isOp(node, 'Input') ? node.attributes.name : unique(part === '' ? node.op : `${part}/${node.op}`),
    );
  }
  const outputs = new Map(Object.entries(graph.outputs).map(([name, value]) => [value, name]));
  const nodeName = (node: Node): string => {
    const name = nodes.get(node);
    if (name === undefined) throw new Error(`internal: ${node.op} is not in graph ${graph.name}`);
    return name;
  };
  return {
    order,
    node: nodeName,
    value: (value) => {
      const output = outputs.get(value);
      if (output !== undefined && !isOp(value.node, 'Input')) return output;
      return value.output === 0 ? nodeName(value.node) : `${nodeName(value.node)}.${value.output}`;
    },
  };
}

/** Makes names unique by adding a number. `given`, the names of the inputs and outputs, are taken from the start. */
function uniqueNames(graph: string, given: readonly string[]): (name: string) => string {
  const taken = new Set<string>();
  for (const name of given) {
    if (taken.has(name))
      throw new Error(`graph ${graph}: expected inputs and outputs of distinct names, got two "${name}"`);
    taken.add(name);
  }
  const counts = new Map<string, number>();
  return (name) => {
    let count = counts.get(name) ?? 0;
    const numbered = () => (count === 0 ? name : `${name}_${count}`);
    while (taken.has(numbered())) count++;
    counts.set(name, count + 1);
    return numbered();
  };
}

function partOf(node: Node, parts: ReadonlyMap<Node, string>, position: ReadonlyMap<Node, number>): string {
  if (isOp(node, 'Input')) return node.attributes.name.split('/').slice(0, -1).join('/');
  let part = '';
  let latest = -1;
  for (const { node: operand } of operands(node)) {
    const candidate = parts.get(operand) ?? '';
    if (candidate === '') continue;
    if (isOp(operand, 'Input')) return candidate;
    const at = position.get(operand) ?? 0;
    if (at > latest) [part, latest] = [candidate, at];
  }
  return part;
}
