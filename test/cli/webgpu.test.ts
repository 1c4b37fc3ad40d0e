/** `train --device webgpu` on the software GPU that comes with Chromium, where there is one. */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import registerTest from 'ava';
import { readMetrics } from '../../src/storage/metrics-log.node.ts';
import { start, workspace } from './_program.ts';

const CHROMIUM = '/usr/lib/chromium';
const driver = path.join(CHROMIUM, 'vk_swiftshader_icd.json');
const test = existsSync(driver) ? registerTest : registerTest.skip;

test('training on WebGPU, interrupted and resumed, logs what training on the CPU does', async (t) => {
  const { folder, flags } = workspace();
  t.teardown(() => rmSync(folder, { recursive: true }));
  const train = async (...args: string[]) => {
    const { code, stderr } = await start('train', args, {
      ...{ LD_LIBRARY_PATH: CHROMIUM, VK_ICD_FILENAMES: driver },
    }).done;
    t.is(code, 0, stderr);
  };
  const run = (name: string) => path.join(folder, name);
  const options = [...flags, '--epochs', '2', '--warmup-epochs', '0.5'];
  await train(...options, '--device', 'cpu', '--out', run('cpu'));
  await train(...options, '--device', 'webgpu', '--max-steps', '3', '--out', run('gpu'));
  await train('--resume', run('gpu'), '--max-steps', '0');
  const [expected, got] = [
    readMetrics(`${run('cpu')}/metrics.jsonl`),
    readMetrics(`${run('gpu')}/metrics.jsonl`),
  ];
  const steps = (records: typeof got) => records.filter(({ split }) => split === 'train');
  t.is(steps(got).length, 8);
  steps(got).forEach((record, i) => {
    const wanted = steps(expected)[i];
    for (const key of ['loss', 'grad_norm', 'gr_grad_norm'] as const)
      t.true(
        Math.abs((record[key] ?? 0) / (wanted?.[key] ?? 1) - 1) < 1e-4,
        `step ${i + 1}: ${key} ${record[key]}, not ${wanted?.[key]}`,
      );
    t.is(record.lambda, wanted?.lambda ?? null);
  });
  const accuracy = (records: typeof got) => records.findLast(({ split }) => split === 'test')?.metrics.top1;
  t.is(accuracy(got), accuracy(expected));
});
