/** What the tests of the passes share: a graph before and after a pass, as text and in ONNX Runtime. */
import type { ExecutionContext } from 'ava';
import { type Graph, mapOutputs } from '../../src/onnx/graph.ts';
import { print } from '../../src/onnx/print.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { graphOf, run } from '../_run.ts';

type Pass = (outputs: readonly Value[]) => Value[];

/** The graph of these outputs after a pass, as text. */
export function printAfter(pass: Pass, outputs: Readonly<Record<string, Value>>): string {
  return print(mapOutputs(graphOf(outputs), pass));
}

/** Checks that a pass leaves a graph as it is. */
export function unchanged(t: ExecutionContext, pass: Pass, outputs: Readonly<Record<string, Value>>): void {
  t.is(printAfter(pass, outputs), print(graphOf(outputs)));
}

/** Checks that a pass changes a graph, and that ONNX Runtime computes the same from it. */
export async function sameResults(
  t: ExecutionContext,
  pass: Pass,
  outputs: Readonly<Record<string, Value>>,
): Promise<void> {
  const before = graphOf(outputs);
  const after = mapOutputs(before, pass);
  t.not(print(after), print(before));
  await equalInOrt(t, before, after, 1e-5);
}

/** Checks each output of two graphs: equal up to `tolerance` of the largest of its values, or of 1 if they are less. */
export async function equalInOrt(
  t: ExecutionContext,
  before: Graph,
  after: Graph,
  tolerance: number,
): Promise<void> {
  const feeds = feedsOf(before);
  const [expected, got] = [await run(before.outputs, feeds), await run(after.outputs, feeds)];
  t.deepEqual(Object.keys(got), Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    const [error, size] = [largest(values, got[name]), largest(values)];
    t.true(error <= tolerance * Math.max(1, size), `${name}: ${error} off, of ${size}`);
  }
}

/** Numbers for every input, between −1 and 1 and without a pattern that a wrong order of elements would keep. */
export function feedsOf(graph: Graph): Record<string, Float32Array | Int32Array> {
  const feeds = graph.inputs.map((value, k): [string, Float32Array | Int32Array] => {
    const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
    const wave = (_: unknown, i: number): number => Math.sin(1.3 * i + 0.01 * i * i + 2 * k + 0.5);
    const length = sizeOf(value.shape);
    return value.dtype === 'int32'
      ? [name, Int32Array.from({ length }, (_, i) => i % 3)]
      : [name, Float32Array.from({ length }, wave)];
  });
  return Object.fromEntries(feeds);
}

/** The largest difference of two arrays, or the largest value of one; not a number if any is none. */
function largest(a: Float32Array, b?: Float32Array): number {
  if (b && b.length !== a.length) return Number.NaN;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b?.[i] ?? 0))), 0);
}
