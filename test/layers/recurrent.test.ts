/** LSTM and GRU layers: derivatives of order two, masks, and what they refuse. PyTorch's numbers: test/models/sequence.test.ts. */
import test from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { gru, lstm, type RecurrentOptions } from '../../src/layers/recurrent.ts';
import { Scope } from '../../src/layers/scope.ts';
import { buildTextModel } from '../../src/models/index.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { classification } from '../../src/tasks/classification.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';
import { called, layerCase, x } from './_layers.ts';

const LAYERS = { lstm, gru } as const;

const bools = (shape: readonly number[], ...values: number[]): Value =>
  ops.constant(Uint8Array.from(values), shape, 'bool');
/** Also in the middle, and an example that is nothing but padding. */
const mask = bools([3, 3], 1, 0, 1, 1, 1, 0, 0, 0, 0);
/** Only behind the real steps. */
const behind = bools([3, 3], 1, 1, 1, 1, 0, 0, 0, 0, 0);

for (const kind of ['lstm', 'gru'] as const) {
  const layer = (options: RecurrentOptions) => (scope: Scope, at: Value) =>
    LAYERS[kind](scope, at, 2, options);

  test(`${kind}: first and second derivatives agree with finite differences`, (t) =>
    expectDerivatives(t, [
      layerCase(layer({}), [2, 3, 2]),
      layerCase(layer({ mask }), [3, 3, 2]),
      layerCase(layer({ mask, bidirectional: true, output: 'all' }), [3, 3, 2]),
      layerCase(layer({ mask: behind, paddingLast: true }), [3, 3, 2]),
      layerCase(
        layer({ layers: 2, dropout: 0.25, output: 'all', stepsFirst: true }),
        [2, 2, 3],
        [1, 0, 1, 1],
      ),
    ]));

  test(`${kind}: a masked step keeps the state, wherever it is, and what it holds is not read`, async (t) => {
    const { scope, y } = called(layer({ mask, output: 'all' }), x([3, 3, 2]));
    const weights = Object.fromEntries(
      scope.parameters.map(({ path, shape }, k) => [
        path,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.3 * i + k)),
      ]),
    );
    const data = Float32Array.from({ length: 18 }, (_, i) => Math.sin(i));
    const out = await run({ y }, { x: data, ...weights });
    const state = (example: number, step: number) =>
      [...(out.y ?? [])].slice(6 * example + 2 * step).slice(0, 2);
    t.deepEqual(state(0, 1), state(0, 0));
    t.notDeepEqual(state(0, 2), state(0, 1));
    t.deepEqual(state(1, 2), state(1, 1));
    t.deepEqual(
      [state(2, 0), state(2, 2)],
      [
        [0, 0],
        [0, 0],
      ],
    );
    data.fill(1e3, 2, 4);
    const again = await run({ y }, { x: data, ...weights });
    t.deepEqual(again.y, out.y);
  });

  test(`${kind}: where padding is last, the last states are those of masked steps`, async (t) => {
    const options = { mask: behind, layers: 2, bidirectional: true };
    const [masked, picked] = [options, { ...options, paddingLast: true }].map((each) =>
      called(layer(each), x([3, 3, 2])),
    );
    const weights = Object.fromEntries(
      (masked?.scope.parameters ?? []).map(({ path, shape }, k) => [
        path,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.3 * i + k)),
      ]),
    );
    const data = { x: Float32Array.from({ length: 18 }, (_, i) => Math.sin(i)), ...weights };
    const [one, two] = [
      await run({ y: masked?.y ?? x([1]) }, data),
      await run({ y: picked?.y ?? x([1]) }, data),
    ];
    t.is(one.y?.length, 12);
    t.deepEqual(two.y, one.y);
  });

  test(`${kind}: steps first is the same, transposed`, async (t) => {
    const batchFirst = called(layer({ bidirectional: true, output: 'all' }), x([3, 4, 2]));
    const given = ops.transpose(x([3, 4, 2]), [1, 0, 2]);
    const stepsFirst = called(layer({ bidirectional: true, output: 'all', stepsFirst: true }), given);
    const weights = Object.fromEntries(
      batchFirst.scope.parameters.map(({ path, shape }, k) => [
        path,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.3 * i + k)),
      ]),
    );
    const data = { x: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)), ...weights };
    const one = await run({ y: batchFirst.y }, data);
    const two = await run({ y: ops.transpose(stepsFirst.y, [1, 0, 2]) }, data);
    t.deepEqual(batchFirst.y.shape, [3, 4, 4]);
    t.deepEqual(one.y, two.y);
  });

  test(`${kind}: a weight's gradient is one product over all steps, in either order of derivative`, (t) => {
    const task = classification({
      fields: { tokens: { dtype: 'int32', shape: [24] } },
      classes: 3,
      model: (scope, { tokens }) =>
        buildTextModel(scope, tokens ?? ops.input('x', []), 3, {
          kind,
          vocabulary: 9,
          width: 8,
          pool: 'last',
        }),
    });
    const products = (name: 'loss-grad' | 'gr-exact') =>
      topologicalOrder(Object.values(new TaskGraphs(task, { batch: 2 }).graph(name).outputs)).filter((node) =>
        isOp(node, 'Gemm'),
      ).length;
    // Two of every step, and few others; of exact GR a product and its tangent of each, less the last and the first.
    t.true(products('loss-grad') <= 2 * 24 + 8, String(products('loss-grad')));
    t.true(products('gr-exact') <= 6 * 24 + 16, String(products('gr-exact')));
  });

  test(`${kind}: what does not fit`, (t) => {
    const given = (options: object, at = x([2, 3, 4]), width = 2) =>
      t.throws(() => LAYERS[kind](new Scope(), at, width, options))?.message;
    t.is(given({}, x([2, 3])), `${kind}: expected x float32 [batch, steps, in], got float32 [2, 3]`);
    t.is(
      given({ stepsFirst: true }, x([2, 3, 4], 'int32')),
      `${kind}: expected x float32 [steps, batch, in], got int32 [2, 3, 4]`,
    );
    t.is(
      given({ stepsFirst: true }, x(['batch', 3, 4])),
      `${kind}: expected a fixed number of steps, got x [batch, 3, 4]`,
    );
    t.is(given({ mask: bools([2, 1], 1, 1) }), `${kind}: expected a mask bool [2, 3], got bool [2, 1]`);
    t.is(given({}, x([2, 3, 4]), 0), `${kind}: width: expected an integer ≥ 1, got 0`);
    t.is(given({ layers: 0.5 }), `${kind}: layers: expected an integer ≥ 1, got 0.5`);
    t.is(given({ dropout: 1, layers: 2 }), 'dropout: expected a rate from 0 to below 1, got 1');
    t.is(given({ output: 'first' }), `${kind}: output: expected one of last, all, got "first"`);
  });
}
