/** The MNIST demo of onnxruntime-training, in node; test/web/session.browser.test.ts has it in a page. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { Tensor } from 'onnxruntime-node';
import { TrainingSession } from '../../src/index.ts';
import { demo } from './_mnist-demo.ts';
import { digits, LOSS_NAME, mnistArtifacts } from './_mnist-files.ts';

test('its calls, in their order, learn digits from the four files', async (t) => {
  t.timeout(3 * 60_000);
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-session-'));
  const files = Object.fromEntries(
    Object.entries(mnistArtifacts()).map(([name, bytes]) => {
      const file = path.join(folder, name);
      writeFileSync(file, bytes);
      return [name, file];
    }),
  );
  const { checkpointState = '', trainModel = '', evalModel = '', optimizerModel = '' } = files;
  const result = await demo(
    { Tensor, TrainingSession },
    { checkpointState, trainModel, evalModel, optimizerModel },
    {
      ...{ train: digits('train', 3200), test: digits('t10k', 640) },
      ...{ batchSize: 64, epochs: 2, lossName: LOSS_NAME },
    },
  );
  rmSync(folder, { recursive: true });
  t.log(`${result.accuracies}, ${result.seconds} s for ${result.steps} steps`);
  t.is(result.steps, 100);
  t.deepEqual(result.parameters, [397510]);
  t.is(result.size, 397510);
  t.true((result.losses[0] ?? 0) > 2 && (result.losses.at(-1) ?? 9) < 0.5);
  t.true((result.accuracies.at(-1) ?? 0) > 0.8);
  t.is(result.shown.length, 18);
});
