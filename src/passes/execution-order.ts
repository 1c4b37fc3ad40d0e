/**
 * The order in which nodes run, chosen so that no value lives long. The gradients of the parameters are computed one
 * after the other, each with the nodes that it needs. There is one exception: a few nodes run as soon as they can where
 * they free as much memory as they take. So a weight gradient comes directly after the cotangent that it is made of, not
 * after all cotangents. And what the derivative of an activation function needs is computed early, so that the
 * function's operands need not be kept.
 */
import { isOfKind } from '../onnx/apply.ts';
import { type Graph, topologicalOrder } from '../onnx/graph.ts';
import { isOp, type Node, operands, type Value } from '../onnx/value.ts';
import { isElementwise, isRearranged } from './elementwise.ts';
import { bytesOf, isStored, ownerOf } from './memory.ts';

/** The most nodes that are brought forward together, and the length of the chains of users that the search follows. */
const GROUP = 10;
const DEPTH = 6;

export function orderExecution(graph: Graph): Graph {
  const outputs = Object.values(graph.outputs);
  const gradients = Object.entries(graph.outputs).flatMap(([name, value]) =>
    name.includes('/') && value.shape.length > 1 ? [value] : [],
  );
  const order = topologicalOrder([...graph.inputs, ...gradients, ...outputs], undefined, sumFirst);
  return { ...graph, order: new Scheduler(order, outputs).schedule() };
}

/** The operands of a Gemm, its summand first: an accumulator is computed before the product that is added to it. */
const sumFirst = (node: Node): readonly Value[] =>
  isOp(node, 'Gemm') ? [...operands(node)].reverse() : operands(node);

/** Schedules nodes. Nodes and stored values are numbers here: a node's is its place in the order given. */
class Scheduler {
  readonly #order: readonly Node[];
  /** Per node: the nodes that it uses, the values that it uses (once each), the nodes that use its results. */
  readonly #above: number[][] = [];
  readonly #reads: number[][] = [];
  readonly #users: number[][];
  /** Per node: the values that it stores. Per value: its bytes, the nodes that read it, and how many have yet to. */
  readonly #results: number[][] = [];
  readonly #bytes: number[] = [];
  readonly #isInevitable: boolean[] = [];
  readonly #readers: number[][] = [];
  readonly #left: number[] = [];
  readonly #done: Uint8Array;
  readonly #isLight: boolean[];

  constructor(order: readonly Node[], outputs: readonly Value[]) {
    this.#order = order;
    this.#done = new Uint8Array(order.length);
    this.#isLight = order.map((node) => isElementwise(node) || isRearranged(node));
    this.#users = order.map(() => []);
    const index = new Map(order.map((node, i) => [node, i]));
    const values = new Map<Value, number>();
    const kept = inevitable(outputs);
    order.forEach((node, i) => {
      const above = new Set<number>();
      const reads = new Set<number>();
      for (const value of operands(node)) {
        const at = index.get(value.node);
        if (at !== undefined) above.add(at);
        const stored = values.get(ownerOf(value));
        if (stored !== undefined) reads.add(stored);
      }
      this.#above.push([...above]);
      this.#reads.push([...reads]);
      for (const at of above) this.#users[at]?.push(i);
      for (const value of reads) this.#readers[value]?.push(i);
      this.#results.push([]);
      if (!isStored(node)) return;
      for (const value of node.outputs) {
        this.#results[i]?.push(this.#bytes.length);
        values.set(value, this.#bytes.length);
        this.#bytes.push(bytesOf(value));
        this.#isInevitable.push(kept.has(value));
        this.#readers.push([]);
      }
    });
    for (const readers of this.#readers) this.#left.push(readers.length);
  }

  schedule(): Node[] {
    const result: Node[] = [];
    const run = (node: number): void => {
      this.#done[node] = 1;
      const what = this.#order[node];
      if (what) result.push(what);
      for (const value of list(this.#reads, node)) this.#left[value] = (this.#left[value] ?? 0) - 1;
    };
    this.#order.forEach((node, i) => {
      if (isOp(node, 'Input') || isOp(node, 'Constant')) run(i);
    });
    for (let next = 0; next < this.#order.length; next++) {
      if (this.#done[next]) continue;
      run(next);
      // A node that was brought forward may let others come forward in turn.
      const ran = [next];
      for (let node = ran.pop(); node !== undefined; node = ran.pop()) {
        for (let found = this.#forwarded(node); found; found = this.#forwarded(node)) {
          for (const each of found) run(each);
          ran.push(...found);
        }
      }
    }
    return result;
  }

  /** A group of nodes, in order, that can run now that `node` has run, and that frees memory. */
  #forwarded(node: number): readonly number[] | undefined {
    const seen = new Set<number>();
    let level = [...list(this.#users, node)];
    for (const value of list(this.#reads, node))
      if ((this.#left[value] ?? 0) <= GROUP) level.push(...list(this.#readers, value));
    for (let depth = 0; depth < DEPTH && level.length > 0; depth++) {
      const below: number[] = [];
      for (const candidate of level) {
        if (seen.has(candidate) || this.#done[candidate]) continue;
        seen.add(candidate);
        const group = this.#missing(candidate);
        if (group && this.#pays(group)) return group;
        if (this.#isLight[candidate]) below.push(...list(this.#users, candidate));
      }
      level = below.length < 64 ? below : [];
    }
    return undefined;
  }

  /** The node and those that must run before it and have not, in order; undefined where these are too many. */
  #missing(node: number): number[] | undefined {
    const group: number[] = [];
    const found = new Set<number>();
    const visit = (at: number): boolean => {
      if (this.#done[at] || found.has(at)) return true;
      found.add(at);
      if (found.size > GROUP) return false;
      for (const above of list(this.#above, at)) if (!visit(above)) return false;
      group.push(at);
      return true;
    };
    return visit(node) ? group : undefined;
  }

  /**
   * Whether to run a group now. It pays where the group frees as many bytes as it leaves behind. It also pays for one
   * node whose result is small next to what it reads (a sum over rows): until it has run, its operands cannot be freed.
   * A result that must be kept in any case takes the memory sooner or later, so it counts by half, and not at all where
   * it is small next to its operands. A large one is better computed late.
   */
  #pays(group: readonly number[]): boolean {
    const inside = new Set(group);
    const reads = new Map<number, number>();
    let kept = 0;
    let due = 0;
    let largest = 0;
    for (const node of group) {
      for (const value of list(this.#reads, node)) reads.set(value, (reads.get(value) ?? 0) + 1);
      for (const value of list(this.#results, node)) {
        const readers = list(this.#readers, value);
        const bytes = this.#bytes[value] ?? 0;
        if (this.#isInevitable[value]) due += bytes;
        else if (readers.some((reader) => !inside.has(reader))) kept += bytes;
      }
    }
    const own = new Set(group.flatMap((node) => list(this.#results, node)));
    let freed = 0;
    for (const [value, count] of reads) {
      if (own.has(value)) continue;
      const bytes = this.#bytes[value] ?? 0;
      largest = Math.max(largest, bytes);
      if (this.#left[value] === count) freed += bytes;
    }
    const cost = kept + (2 * due > largest ? due / 2 : 0);
    return freed >= cost || (largest >= 16 * cost && group.length === 1);
  }
}

/** The results of the graph, and the values whose memory a result can take over, such as the terms of a sum. */
function inevitable(outputs: readonly Value[]): Set<Value> {
  const found = new Set<Value>();
  const queue = outputs.map(ownerOf);
  for (let value = queue.pop(); value; value = queue.pop()) {
    if (found.has(value)) continue;
    found.add(value);
    const { node } = value;
    if (!isElementwise(node) && !isOfKind(node, 'permutation') && !isOp(node, 'Split')) continue;
    for (const operand of operands(node)) {
      const owner = ownerOf(operand);
      if (isStored(owner.node) && bytesOf(owner) >= bytesOf(value)) queue.push(owner);
    }
  }
  return found;
}

function list(lists: readonly (readonly number[])[], i: number): readonly number[] {
  return lists[i] ?? [];
}
