import test from 'ava';
import { dropout, stochasticDepth } from '../../src/layers/dropout.ts';
import { Scope } from '../../src/layers/scope.ts';
import { drawMask } from '../../src/run/masks.ts';
import { expectDerivatives } from '../_derivatives.ts';
import { run } from '../_run.ts';
import { called, layerCase, x } from './_layers.ts';

test('dropout and stochastic depth: derivatives agree with finite differences', (t) =>
  expectDerivatives(t, [
    layerCase((scope, at) => dropout(scope, at, 0.25), [2, 3], [1, 0, 1, 1]),
    layerCase((scope, at) => stochasticDepth(scope, at, 0.5), [2, 3], [1, 0]),
  ]));

test('dropout drops element by element, and scales what is left', async (t) => {
  const { scope, y } = called((own, at) => dropout(own.sub('drop'), at, 0.2), x([2, 3]));
  t.deepEqual(
    scope.masks.map(({ name, per, keep, value }) => [name, per, keep, value.dtype, value.shape]),
    [['random/drop/keep', 'example', 0.8, 'bool', [2, 3]]],
  );
  const out = await run(
    { y },
    { x: Float32Array.of(1, 2, 3, 4, 5, 6), 'random/drop/keep': Uint8Array.of(1, 0, 1, 0, 0, 1) },
  );
  t.deepEqual([...(out.y ?? [])], [...Float32Array.of(1.25, 0, 3.75, 0, 0, 7.5)]);
});

test('stochastic depth drops whole examples', async (t) => {
  const { scope, y } = called((own, at) => stochasticDepth(own, at, 0.5), x([3, 2, 2]));
  t.deepEqual(scope.masks[0]?.value.shape, [3, 1, 1]);
  const out = await run({ y }, { x: new Float32Array(12).fill(1), 'random/keep': Uint8Array.of(1, 0, 1) });
  t.deepEqual([...(out.y ?? [])], [2, 2, 2, 2, 0, 0, 0, 0, 2, 2, 2, 2]);
});

test('the mean over masks is the value itself', (t) => {
  const mask = { name: 'random/drop/keep', per: 'example' as const, keep: 0.9, shape: [1000] };
  const { data } = drawMask(mask, { seed: 1, step: 2, first: 0, count: 100 });
  const kept = Array.from(data, Number).reduce((sum, each) => sum + each, 0) / data.length;
  // 100,000 draws: the standard deviation of the share is 0.00095.
  t.true(Math.abs(kept - 0.9) < 0.004, String(kept));
});

for (const [name, layer] of Object.entries({ dropout, stochasticDepth })) {
  test(`${name} is the value itself while not training, and with a rate of 0`, (t) => {
    const at = x(['batch', 3]);
    t.is(layer(new Scope({ training: false }), at, 0.5), at);
    const scope = new Scope();
    t.is(layer(scope, at, 0), at);
    t.deepEqual(scope.masks, []);
  });

  test(`${name}: a rate that is none, and a scope that has one already`, (t) => {
    for (const rate of [1, -0.1, Number.NaN]) {
      t.throws(() => layer(new Scope({ training: false }), x([2, 2]), rate), {
        message: `${name}: expected a rate from 0 to below 1, got ${rate}`,
      });
    }
    const scope = new Scope();
    layer(scope, x([2, 2]), 0.5);
    t.throws(() => layer(scope, x([2, 2]), 0.5), {
      message: 'scope: expected a new name, got "random/keep" again',
    });
  });
}
