/** Tasks that others are made of: what they name, and that they learn what there is to learn. */
import test from 'ava';
import type { Batch } from '../../src/data/batch.ts';
import { finishMetrics } from '../../src/metrics/finish.ts';
import { vit } from '../../src/models/vit.ts';
import { Random } from '../../src/random.ts';
import { fieldFeeds, floatsOf, runOn } from '../../src/run/engine.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { classification } from '../../src/tasks/classification.ts';
import { REGRESSION_LOSSES, regression } from '../../src/tasks/regression.ts';
import type { Task } from '../../src/tasks/task.ts';
import { linear, named } from '../run/_tasks.ts';
import { described, difference, graphsOf, load, onDevice, onHost } from '../run/_train.ts';

const x = { x: { dtype: 'float32', shape: [4] } } as const;

test('a classification names its metrics as logs have them; the fifth only where it says something', (t) => {
  const of = (classes: number) =>
    classification({
      fields: x,
      classes,
      model: (scope, fields) => linear(scope, named(fields, 'x'), classes),
    });
  t.deepEqual(Object.keys(of(5).metrics), ['top1', 'confusion']);
  t.deepEqual(Object.keys(of(6).metrics), ['top1', 'top5', 'confusion']);
  t.deepEqual(of(6).fields.labels, { dtype: 'int32', shape: [] });
  t.deepEqual(
    Object.values(of(6).metrics).map(({ label }) => label),
    ['accuracy', 'top-5 accuracy', 'balanced accuracy'],
  );
  const manifest = described(of(6), graphsOf({ task: of(6) }));
  t.deepEqual(Object.keys(manifest.sums.training), ['top1/right', 'top1/count', 'top5/right', 'top5/count']);
  t.deepEqual(manifest.sums.evaluation['confusion/matrix'], [6, 6]);
});

/** A whole set measured after training. */
async function evaluated(
  task: Task,
  variables: Readonly<Record<string, Float32Array>>,
  { fields, examples }: Batch,
) {
  const graphs = graphsOf({ task });
  const manifest = described(task, graphs);
  const arrays = new VariableArrays(manifest, 0);
  for (const [path, values] of Object.entries(variables)) arrays.array(path).set(values);
  const session = await load(graphs, 'evaluate');
  const out = await runOn(session, { ...fieldFeeds(manifest, fields, examples), ...arrays.feeds });
  await session.release();
  const sums = Object.keys(manifest.sums.evaluation).map(
    (name) => [name, Float64Array.from(floatsOf(out, `sums/${name}`))] as const,
  );
  return finishMetrics(task.metrics, Object.fromEntries(sums));
}

/** y = 100 + 20·(x₀ − 2·x₁) + noise, and its second column half of it; divided by its scale. */
function table(examples: number, step: number, columns: number): Batch {
  const random = new Random(1, 'sample', step);
  const x = Float32Array.from({ length: 4 * examples }, () => random.normal());
  const y = Float32Array.from({ length: columns * examples }, (_, i) => {
    const row = Math.floor(i / columns) * 4;
    const value = (x[row] ?? 0) - 2 * (x[row + 1] ?? 0) + 0.2 * random.normal();
    return (i % columns === 0 ? 1 : 0.5) * value;
  });
  return { fields: { x, y }, examples, indices: new Uint32Array(examples), epoch: 0, step };
}

for (const loss of REGRESSION_LOSSES) {
  for (const targets of [undefined, 2]) {
    test(`a regression of ${targets ?? 'one'} by ${loss} learns a line, and tells errors in the unit of the data`, async (t) => {
      const columns = targets ?? 1;
      const task = regression({
        fields: x,
        ...(targets && { targets }),
        model: (scope, fields) => linear(scope, named(fields, 'x'), columns),
        loss,
        scale: 20,
      });
      const { variables } = await onHost({
        ...{ task, batchSize: 64, steps: 150, plan: { learningRate: () => 0.05, weightDecay: 0, clip: 0 } },
        data: (step) => table(64, step, columns),
      });
      const { mae = 0, rmse = 0, r2 = 0 } = await evaluated(task, variables, table(1000, 999, columns));
      const deviation = 20 * 0.2 * Math.sqrt(columns === 1 ? 1 : 0.625);
      t.true(Math.abs(rmse / deviation - 1) < 0.12, `rmse ${rmse}, not ${deviation}`);
      t.true(mae > 0.7 * rmse && mae < 0.85 * rmse, `mae ${mae}`);
      t.true(r2 > 0.985 && r2 < 0.995, `r2 ${r2}`);
    });
  }
}

test('a small transformer tells stripes apart, alike on the host and in one graph', async (t) => {
  const task = classification({
    fields: { images: { dtype: 'float32', shape: [1, 8, 8] } },
    classes: 2,
    model: (scope, fields) =>
      vit(scope, named(fields, 'images'), 2, { kind: 'vit', patch: 4, width: 16, layers: 1, heads: 2 }),
  });
  const stripes = (step: number): Batch => {
    const random = new Random(2, 'sample', step);
    const labels = Int32Array.from({ length: 16 }, () => random.integer(2));
    const images = Float32Array.from({ length: 16 * 64 }, (_, i) => {
      const [row, column] = [Math.floor((i % 64) / 8), i % 8];
      return (
        Math.sin(Math.PI * (labels[Math.floor(i / 64)] === 0 ? row : column) + 0.5) + 0.3 * random.normal()
      );
    });
    return { fields: { images, labels }, examples: 16, indices: new Uint32Array(16), epoch: 0, step };
  };
  const training = {
    task,
    kind: 'exact',
    batchSize: 16,
    steps: 40,
    data: stripes,
    plan: { learningRate: () => 0.01 },
  };
  const { variables, told } = await onHost(training);
  t.true((told.at(-1)?.loss ?? 1) < 0.1, String(told.at(-1)?.loss));
  const { top1, confusion } = await evaluated(task, variables, stripes(999));
  t.deepEqual([top1, confusion], [1, 1]);
  const short = { ...training, steps: 4, plan: { rule: sgd() } };
  const error = difference(await onDevice(short), await onHost(short));
  t.true(error < 1e-5, String(error));
});
