/** A graph as a whole: what goes in and out, walking it, rebuilding it. */
import { call } from './ops.ts';
import { isOp, Node, type OpType, operands, type Value } from './value.ts';

/** What is serialized, printed or run: its inputs in order, and its outputs by name. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** The graph with its outputs rewritten together, as a pass over them all. */
export function mapOutputs(graph: Graph, pass: (outputs: readonly Value[]) => readonly Value[]): Graph {
  const names = Object.keys(graph.outputs);
  const outputs = pass(Object.values(graph.outputs));
  return {
    ...graph,
    outputs: Object.fromEntries(outputs.map((value, i) => [names[i] ?? '', value])),
  };
}

type Resolve = (value: Value) => Value;

/**
 * The nodes that the values depend on, each after the nodes it uses. Iterative, since training graphs are
 * thousands of nodes deep. `resolve` may put another value in the place of each one met.
 */
export function topologicalOrder(values: Iterable<Value>, resolve: Resolve = (value) => value): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  for (const value of values) {
    const root = resolve(value).node;
    if (seen.has(root)) continue;
    seen.add(root);
    const stack = [{ node: root, next: 0 }];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const operand = operands(top.node)[top.next++];
      if (!operand) {
        order.push(top.node);
        stack.pop();
        continue;
      }
      const { node } = resolve(operand);
      if (seen.has(node)) continue;
      seen.add(node);
      stack.push({ node, next: 0 });
    }
  }
  return order;
}

/** Whether `values` has the length, and so the type, of the tuple `like`. */
export function fits<Tuple extends readonly unknown[]>(
  values: readonly unknown[],
  like: Tuple,
): values is Tuple {
  return values.length === like.length;
}

/** The node with other inputs, of the same types. */
export function withInputs<Op extends OpType>(node: Node<Op>, inputs: readonly Value[]): Node<Op> {
  if (!fits(inputs, node.inputs)) throw new Error(`internal: ${node.op} takes ${node.inputs.length} inputs`);
  return new Node<Op>(node.op, inputs, node.attributes, (output) => {
    const outputs = node.outputs.map((value) => output(value));
    if (!fits(outputs, node.outputs)) throw new Error(`internal: ${node.op} lost outputs`);
    return outputs;
  });
}

/** What to put in the place of a node, given its inputs after rewriting: one value per output. */
export type Rewrite = (node: Node, inputs: readonly Value[]) => readonly Value[];

/** Keeps a node, on its rewritten inputs. */
export const keep: Rewrite = (node, inputs) => {
  const unchanged = operands(node).every((value, i) => value === inputs[i]);
  if (unchanged) return node.outputs;
  // A call's body is made of its inputs, so it is written anew.
  return isOp(node, 'Call') ? call(node.attributes.composite, inputs) : withInputs(node, inputs).outputs;
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
