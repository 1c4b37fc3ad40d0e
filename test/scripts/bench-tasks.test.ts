import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { orderOf, runOurs, shareTask, worstLoss } from '../../scripts/bench/task-runs.ts';
import { epochOrder } from '../../src/data/batches.ts';
import { readSafetensors } from '../../src/storage/safetensors.node.ts';
import { program } from '../cli/_program.ts';

test('losses are compared step by step, and series of other lengths do not agree', (t) => {
  t.is(worstLoss([2, 4], [2, 4]), 0);
  t.is(worstLoss([2, 4], [2, 5]), 0.25);
  t.is(worstLoss([2, 4], [2]), Number.POSITIVE_INFINITY);
  t.is(worstLoss([], []), Number.POSITIVE_INFINITY);
  t.is(worstLoss([2, Number.NaN], [2, 4]), Number.POSITIVE_INFINITY);
});

test('a peer reads the arrays that the run trains on, and the run tells what is compared', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-tasks-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const shared = await shareTask({ graph: 'mlp-diamonds' }, folder);
  const arrays = new Map((await readSafetensors(shared.arrays)).map(({ name, ...rest }) => [name, rest]));
  t.deepEqual([...arrays.keys()].toSorted(), ['test/x', 'test/y', 'train/x', 'train/y']);
  // A fifth of the 53,940 rows is to test with.
  const [train = 0, test = 0] = [arrays.get('train/y')?.shape[0], arrays.get('test/y')?.shape[0]];
  t.is(train + test, 53_940);
  t.deepEqual(arrays.get('train/x')?.shape, [train, 26]);
  const options = {
    graph: 'mlp-diamonds',
    epochs: 1,
    batchSize: 256,
    learningRate: 0.003,
    weightDecay: 0.01,
  };
  const run = runOurs(shared, { ...options, gr: 'none', seed: 0, threads: 1, maxSteps: 3 });
  t.is(run.losses.length, 3);
  t.deepEqual(Object.keys(run.metrics).toSorted(), ['loss', 'mae', 'r2', 'rmse']);
  // In units of 4,000 dollars, the mean of squares over all test examples.
  t.true(Math.abs((run.metrics.rmse ?? 0) - 4000 * Math.sqrt(run.metrics.loss ?? 0)) < 1e-2);
  t.true(run.seconds > 0 && run.cpu > 0 && run.peak > 2 ** 20);
});

test('the order of a run leaves out the last examples of each epoch that are no whole batch', (t) => {
  const order = orderOf(10, { seed: 1, batchSize: 4, steps: 5 });
  t.is(order.length, 20);
  for (const [epoch, part] of [order.subarray(0, 8), order.subarray(8, 16), order.subarray(16)].entries()) {
    t.deepEqual([...part], [...epochOrder(10, 1, epoch, true).subarray(0, part.length)]);
  }
});

test('a flag that is not valid is one line', async (t) => {
  for (const [flag, value, expected] of [
    ['--seeds', '0,0', '--seeds 0,0: expected different integers from 0 on, with commas between: 0,1,2'],
    [
      '--task',
      'diamond',
      '--task diamond: expected some of diamonds, diamonds-ft-transformer, languages, languages-lstm, languages-gru, cifar10; did you mean diamonds?',
    ],
  ] as const) {
    const { code, stderr } = await program('bench-tasks', flag, value);
    t.is(code, 1);
    t.true(stderr.includes(expected), stderr);
  }
});
