import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import { renderReport } from '../../src/report/page.node.ts';
import { writeReport } from '../../src/report/write.node.ts';
import { saveCheckpoint } from '../../src/storage/checkpoint-folder.node.ts';
import { metricsText } from '../../src/storage/metrics.ts';
import { checkpointAt } from '../storage/_checkpoint.ts';
import { REGRESSION, temporaryFolder } from '../storage/_records.ts';
import { regressionRun, syntheticRun } from './_metrics.ts';

/** A run's folder with these two files. */
function runFolder(t: ExecutionContext, { metrics = '', config = '{}' }): string {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'metrics.jsonl'), metrics);
  writeFileSync(join(folder, 'config.json'), config);
  return folder;
}

test("the report is made of the run's files", async (t) => {
  const metrics = syntheticRun(20).map((line) => `${metricsText(line)}\n`);
  const folder = runFolder(t, { metrics: metrics.join(''), config: '{"epochs": 2}' });
  const path = await writeReport(folder, { name: 'vit-ti' });
  t.is(path, join(folder, 'report.html'));
  // Plot numbers its clip paths through the whole process.
  const comparable = (text: string) => text.replaceAll(/plot-clip-\d+/g, 'plot-clip');
  const expected = renderReport({ name: 'vit-ti', metrics: syntheticRun(20), config: { epochs: 2 } });
  t.is(comparable(readFileSync(path, 'utf8')), comparable(expected));
});

test("how metrics are shown is what the run's last checkpoint says that can be read", async (t) => {
  const metrics = regressionRun(20).map((line) => `${metricsText(line)}\n`);
  const folder = runFolder(t, { metrics: metrics.join('') });
  for (const step of [10, 20])
    await saveCheckpoint(folder, { ...checkpointAt(step), metrics: REGRESSION }, { keep: 2 });
  const titles = async () =>
    [...readFileSync(await writeReport(folder, { name: 'x' }), 'utf8').matchAll(/<h3>(.*?)<\/h3>/g)]
      .map(([, title]) => title)
      .slice(0, 4);
  t.deepEqual(await titles(), ['Loss', 'MAE', 'RMSE', 'R²']);
  writeFileSync(join(folder, 'checkpoints', 'step-000020', 'checkpoint.json'), '{');
  t.deepEqual(await titles(), ['Loss', 'MAE', 'RMSE', 'R²']);
});

test('options that others leave without an effect are not in the table', async (t) => {
  const config = '{"version": "0.1.0", "optimizer": "adamw", "momentum": 0.9, "decay": 0.99, "beta1": 0.9}';
  const text = readFileSync(await writeReport(runFolder(t, { config }), { name: 'x' }), 'utf8');
  const rows = [...text.matchAll(/<th scope="row">(\w+)<\/th>/g)].map(([, key]) => key);
  t.deepEqual(rows, ['version', 'optimizer', 'beta1']);
});

test('a configuration that is not an object is named', async (t) => {
  for (const config of ['[1]', '{', '"x"']) {
    const writing = writeReport(runFolder(t, { config }), { name: 'x' });
    await t.throwsAsync(writing, {
      instanceOf: UserError,
      message: /config\.json.*: (expected a|not valid) JSON/,
    });
  }
});
