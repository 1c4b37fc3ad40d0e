/** The switches of the authors' recipe, from the command to the weights: each changes what it says, and nothing else. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { train } from '../../src/cli/train.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { ownModule, ownProject, refusal, said } from './_own.ts';

const project = ownProject();
test.after.always(() => project.close());

const own = (out: string, ...more: string[]) =>
  said(train, '--model', './my-model.mjs', '--batch-size', '16', '--threads', '1', '--out', out, ...more);

const modelOf = (run: string): Readonly<Record<string, Float32Array>> => {
  const file = `${run}/last/model.safetensors`;
  return Object.fromEntries(
    decodeSafetensors(readFileSync(file), file).tensors.map(({ name, data }) => [
      name,
      Float32Array.from(data, Number),
    ]),
  );
};

const RATE = 0.01;
const DECAY = 0.1;
/** One step of plain gradient descent from the weights of `begun`. */
const STEP = [
  ...['--optimizer', 'sgd', '--momentum', '0', '--schedule', 'constant', '--warmup-epochs', '0'],
  ...['--max-steps', '1', '--init-from', 'begun/last/model.safetensors'],
  ...['--lr', String(RATE), '--weight-decay', String(DECAY)],
];

test.before(async () => {
  project.write('my-model.mjs', ownModule());
  await own('begun', '--epochs', '2', '--lr', '0.01');
});

test.serial('--decay-all: biases decay as kernels do, and nothing else changes', async (t) => {
  const flags = [...STEP, '--clip', '0', '--gr', 'none'];
  await own('kernels', ...flags);
  await own('all', ...flags, '--decay-all');
  const [begun, kernels, all] = [modelOf('begun'), modelOf('kernels'), modelOf('all')];
  for (const [path, values] of Object.entries(all)) {
    if (path.endsWith('kernel')) {
      t.deepEqual(values, kernels[path], path);
      continue;
    }
    t.true(Math.hypot(...(begun[path] ?? [])) > 0);
    values.forEach((value, i) => {
      const lost = (kernels[path]?.[i] ?? Number.NaN) - value;
      const wanted = RATE * DECAY * (begun[path]?.[i] ?? Number.NaN);
      t.true(Math.abs(lost - wanted) < 1e-7, `${path} ${i}: ${lost}, not ${wanted}`);
    });
  }
  t.is(
    await refusal(t, train, '--model', './my-model.mjs', '--decay-all', '--weight-decay', '0'),
    '--decay-all: needs a weight decay, but --weight-decay is 0',
  );
});
