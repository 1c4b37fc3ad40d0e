/**
 * The steps of each recipe end where the authors' do: 30 of a ViT, 10 of a wide ResNet, whose kinks of relu make more of
 * what machines round differently (the command below compares 30). JAX's numbers are those of scripts/peers/jax_recipes.py, a second
 * writing of the authors' step, from the same weights, with the same batches and dropout masks, in float32, written by
 *
 *     npm run bench:recipes -- --python venv/bin/python --golden test/goldens/recipes.json
 *
 * with jax 0.10.2, flax 0.12.8, optax 0.2.8.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { digestOf, type Golden, openRecipe, takeSteps, VARIANT_NAMES } from '../../scripts/bench/recipes.ts';

const TOLERANCE = 1e-4;
const goldens: Readonly<Record<string, Golden>> = JSON.parse(
  readFileSync('test/goldens/recipes.json', 'utf8'),
);

const NAMES = VARIANT_NAMES.filter((name) => Object.hasOwn(goldens, name));

test('both recipes have numbers of JAX, with groups and without', (t) => {
  for (const name of ['gnp-vit', 'gnp-vit-groups', 'gnp-cnn', 'gnp-cnn-groups'] as const) {
    t.true(NAMES.includes(name), name);
  }
});

for (const name of NAMES) {
  test.serial(`${name}: losses of its steps and what they leave are JAX's`, async (t) => {
    const { losses = [], variables = {} } = goldens[name] ?? {};
    const run = await openRecipe(name);
    t.is(losses.length, run.tested);
    const ours = await takeSteps(run, run.tested);
    losses.forEach((wanted, step) => {
      const got = ours.losses[step] ?? Number.NaN;
      t.true(Math.abs(got - wanted) < TOLERANCE * wanted, `loss ${step + 1}: ${got}, not ${wanted}`);
    });
    const left = ours.variables.at(-1) ?? {};
    // The bias of a key, whose gradient is rounding, is left out.
    t.deepEqual(
      Object.keys(variables).toSorted(),
      Object.keys(left)
        .filter((path) => !path.endsWith('key/bias'))
        .toSorted(),
    );
    for (const [path, [norm, wave]] of Object.entries(variables)) {
      const [ourNorm, ourWave] = digestOf(left[path] ?? new Float32Array());
      t.true(Math.abs(ourNorm - norm) < TOLERANCE * norm, `‖${path}‖: ${ourNorm}, not ${norm}`);
      t.true(Math.abs(ourWave - wave) < TOLERANCE * norm, `wave of ${path}: ${ourWave}, not ${wave}`);
    }
  });
}
