/**
 * Makes ONNX Runtime run the nodes of a file in a given order. ONNX Runtime goes through the nodes whose results nobody
 * uses, from the last of the file to the first. Before each it runs the nodes that it needs, also from the last of the
 * file to the first (Graph::ReverseDFSFrom). So the node that is to run first is written last. Where that is not enough,
 * an anchor brings a value's turn forward: a Shape of the value, a cheap node whose result nobody uses. ONNX Runtime's
 * optimizations must be off, since they would remove anchors.
 */
import { topologicalOrder } from './graph.ts';
import { type Node, operands } from './value.ts';

/** The most nodes that one anchor is tried for: with more, few anchors are saved. */
const REACH = 64;

export interface FileOrder<N extends Node> {
  /** The nodes in the order in which to write them, each after those it uses. */
  readonly nodes: readonly N[];
  /** The nodes that get an anchor. The anchors are written behind all nodes, in this order. */
  readonly anchors: readonly N[];
}

/** How to write nodes that are to run in the order given. */
export function fileOrderFor<N extends Node>(order: readonly N[]): FileOrder<N> {
  const turns = new Map<Node, number>(order.map((node, i) => [node, i]));
  const turn = (node: Node): number => turns.get(node) ?? -1;
  const last = [...order].reverse().flatMap(({ outputs }) => outputs[0] ?? []);
  const written = topologicalOrder(last, undefined, (node) =>
    [...operands(node)].sort((a, b) => turn(b.node) - turn(a.node)),
  );
  const nodes = written.flatMap((node) => order[turn(node)] ?? []);
  const places = new Map<Node, number>(nodes.map((node, i) => [node, i]));
  const above = order.map((node) => {
    const used = [...new Set(operands(node).map((value) => value.node))].filter((each) => turns.has(each));
    return used.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0)).map(turn);
  });
  const anchors: N[] = [];
  for (let done = 0; done < order.length; ) {
    let next = Math.min(order.length, done + REACH) - 1;
    while (next > done && !comesNext(next, done, above)) next--;
    const node = order[next];
    if (node) anchors.push(node);
    done = next + 1;
  }
  return { nodes, anchors: anchors.reverse() };
}

/** Whether ONNX Runtime's search from node `from` runs `done`, `done` + 1, … `from`, when those before have run. */
function comesNext(from: number, done: number, above: readonly (readonly number[])[]): boolean {
  const entered = new Set<number>();
  const stack = [{ node: from, leave: false }];
  let next = done;
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, leave } = top;
    if (leave) {
      if (node !== next++) return false;
      continue;
    }
    if (entered.has(node)) continue;
    entered.add(node);
    stack.push({ node, leave: true });
    for (const operand of above[node] ?? []) {
      if (operand >= done && !entered.has(operand)) stack.push({ node: operand, leave: false });
    }
  }
  return next === from + 1;
}
