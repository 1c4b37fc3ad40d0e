/**
 * Making ONNX Runtime run the nodes of a file in a certain order. It starts from the nodes whose results nobody uses, the
 * last of the file first, and runs before each what it needs, again the last of the file first
 * (Graph::ReverseDFSFrom). So what is to run first is written last, and where that is not enough, a cheap node whose
 * result nobody uses, the Shape of a value, brings that value's turn forward: an anchor. This works with ONNX Runtime's
 * optimizations off, which would remove such nodes.
 */
import { topologicalOrder } from './graph.ts';
import { type Node, operands } from './value.ts';

/** How far ahead an anchor may reach: a longer search finds few more that one anchor can cover. */
const REACH = 64;

export interface FileOrder<N extends Node> {
  /** The nodes in the order in which to write them, each after those it uses. */
  readonly nodes: readonly N[];
  /** The nodes whose anchors to write behind them, in this order. */
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

/** Whether the search from node `from`, when those before `done` have run, runs exactly `done`, `done` + 1, … `from`. */
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
