/** Runs whose images are mixed: distributions as labels in training and in evaluation, and the same bits after a resume. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { measureOnTest } from '../../src/cli/evaluate.ts';
import { parseConfig, resumedConfig } from '../../src/config/config.ts';
import { openModel } from '../../src/inference/model.node.ts';
import { openRunGraph, prepareRun } from '../../src/run/prepare.node.ts';
import { trainRun } from '../../src/run/run.node.ts';
import { loadCheckpoint } from '../../src/storage/checkpoint-folder.node.ts';
import { writeTinyImagenet } from '../data/_pictures.ts';

function folder(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'ortgrad-soft-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** A small network on 16×16 pictures of TinyImageNet's layout. */
const SPEC = {
  dataset: 'tiny-imagenet',
  image: { channels: 3, height: 16, width: 16 },
  classes: 6,
  model: { kind: 'vit', patch: 8, width: 16, layers: 1, heads: 2 },
  microBatch: 4,
};

test.serial(
  'a run with mixup and cutout learns, is measured alike in and after it, and resumes bit by bit',
  async (t) => {
    const dir = folder(t);
    await writeTinyImagenet(join(dir, 'data'), { classes: 6, train: 4, test: 2 });
    mkdirSync(join(dir, 'small'));
    writeFileSync(join(dir, 'small', 'spec.json'), JSON.stringify(SPEC));
    const config = parseConfig(
      {
        ...{ graph: join(dir, 'small'), data: join(dir, 'data'), epochs: 2, batchSize: 8, gr: 'exact' },
        augment: 'pad-crop:2:reflect,flip,auto-augment,cutout:6:batch,mixup:0.4',
        ...{ warmupEpochs: 0, threads: 1, checkpointEvery: 1, keep: 9, labelSmoothing: 0.1 },
      },
      'test',
    );
    const whole = join(dir, 'whole');
    const prepared = await prepareRun(config);
    t.deepEqual(prepared.graph.task.fields.labels, { dtype: 'float32', shape: [6] });
    const losses: number[] = [];
    const result = await trainRun(whole, prepared, { step: ({ loss }) => losses.push(loss ?? Number.NaN) });
    t.is(losses.length, 6);
    t.true(losses.every(Number.isFinite));

    const parts = join(dir, 'parts');
    let steps = 0;
    await trainRun(parts, await prepareRun(config), {
      step: () => {
        steps++;
      },
      shouldStop: () => steps === 2,
    });
    const saved = await loadCheckpoint(parts);
    t.is(saved.step, 2);
    const again = resumedConfig(saved.config, parts, {});
    const rest: number[] = [];
    await trainRun(
      parts,
      { config: again, graph: await openRunGraph(again) },
      { step: ({ loss }) => rest.push(loss ?? Number.NaN) },
      saved,
    );
    t.deepEqual(rest, losses.slice(2));
    const [one, other] = [await loadCheckpoint(whole), await loadCheckpoint(parts)];
    t.deepEqual(one.parameters, other.parameters);

    // The checkpoint's own spec says what its labels are, so that an evaluation reads the same rows.
    const model = await openModel(join(whole, 'best'));
    const measured = await measureOnTest(model, { device: 'cpu', threads: 1 });
    t.is(measured.examples, 12);
    t.true(Math.abs((measured.metrics.top1 ?? Number.NaN) - (result.best?.value ?? Number.NaN)) < 1e-6);
    t.deepEqual([...(measured.sums['confusion/support'] ?? [])], [2, 2, 2, 2, 2, 2]);
  },
);
