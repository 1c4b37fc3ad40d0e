/** Derivatives of order one and two, by the rules and by finite differences, both computed in ONNX Runtime. */
import type { ExecutionContext } from 'ava';
import { grad, jvp } from '../src/autodiff/grad.ts';
import type { Graph } from '../src/onnx/graph.ts';
import * as ops from '../src/onnx/ops.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { sizeOf, staticShape } from '../src/onnx/shapes.ts';
import type { Value } from '../src/onnx/value.ts';
import { Random } from '../src/random.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';
import type { Case } from './_cases.ts';

/** Checks each case's derivatives of both orders, in both modes. */
export async function expectDerivatives(t: ExecutionContext, cases: readonly Case[]): Promise<void> {
  for (const [i, each] of cases.entries()) {
    const { got, expected } = await derivatives(each, i);
    for (const [what, value] of Object.entries(got)) {
      const wanted = expected[what] ?? Number.NaN;
      const error = Math.abs(value - wanted);
      t.true(
        error <= 2e-3 * (1 + Math.abs(wanted)),
        `case ${i}, ${what}: ${value}, finite difference ${wanted}`,
      );
    }
  }
}

/** Directional derivatives of a scalar made of the results: by the rules, and by differences of fourth order. */
async function derivatives({ shapes, range = [-1.5, 1.5], f }: Case, seed: number) {
  const random = new Random(seed, 'sample');
  const draw = (shape: readonly number[], [low, high]: readonly [number, number]) =>
    Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.uniform());
  const xs = shapes.map((shape, i) => ops.input(`x${i}`, shape));
  const results = [f(...xs)].flat();
  // A sum of weighted values and squares, so that the second derivative of a linear op is not 0.
  const loss = results
    .map((y) => {
      const weights = () => ops.constant(draw(staticShape(y.shape), [0.5, 1.5]), staticShape(y.shape));
      return ops.reduceSum(ops.add(ops.mul(y, weights()), ops.mul(ops.mul(y, y), weights())));
    })
    .reduce((sum, part) => ops.add(sum, part));
  const directions = [0, 1].map(() => shapes.map((shape) => draw(shape, [-1, 1])));
  const [v = [], u = []] = directions.map((data) =>
    data.map((values, i) => ops.constant(values, shapes[i] ?? [])),
  );
  const along = (gradient: readonly Value[], direction: readonly Value[]): Value =>
    gradient
      .map((g, i) => ops.reduceSum(ops.mul(g, direction[i] ?? 0)))
      .reduce((sum, part) => ops.add(sum, part));
  const gradient = grad(loss, xs);
  const first = along(gradient, v);
  const outputs = {
    loss,
    reverse: first,
    forward: jvp([loss], xs, v)[0] ?? ops.scalar(0),
    reverseOverReverse: along(grad(first, xs), u),
    forwardOverReverse: jvp([first], xs, u)[0] ?? ops.scalar(0),
    forwardOverForward: jvp([jvp([loss], xs, v)[0] ?? ops.scalar(0)], xs, u)[0] ?? ops.scalar(0),
  };
  const graph: Graph = { name: 'case', inputs: xs, outputs };
  const session = await createSession(serialize(graph), { device: 'cpu', threads: 1 });
  const origin = shapes.map((shape) => draw(shape, range));
  const run = async (direction: readonly Float32Array[], step: number) => {
    const feeds = origin.map((values, i): [string, Tensor] => [
      `x${i}`,
      {
        dtype: 'float32',
        shape: shapes[i] ?? [],
        data: values.map((x, k) => x + step * (direction[i]?.[k] ?? 0)),
      },
    ]);
    const out = await session.run(Object.fromEntries(feeds));
    return Object.fromEntries(Object.entries(out).map(([key, { data }]) => [key, Number(data[0])]));
  };
  const difference = async (direction: readonly Float32Array[] = [], key: string): Promise<number> => {
    const h = 0.02;
    const at = async (step: number) => (await run(direction, step))[key] ?? Number.NaN;
    return (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
  };
  const { loss: _, ...got } = await run([], 0);
  const order1 = await difference(directions[0], 'loss');
  const order2 = await difference(directions[1], 'reverse');
  await session.release();
  const expected: Readonly<Record<string, number>> = {
    reverse: order1,
    forward: order1,
    reverseOverReverse: order2,
    forwardOverReverse: order2,
    forwardOverForward: order2,
  };
  return { got, expected };
}
