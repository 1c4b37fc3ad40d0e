/** The page's run, in node: all of it but the browser. */
import test from 'ava';
import { imageInfo } from '../../src/data/images.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { stratifiedSubset } from '../../src/data/subset.ts';
import { UserError } from '../../src/errors.ts';
import { createResidentSession, createSession } from '../../src/runtime/ort.node.ts';
import type { MetricsLine } from '../../src/storage/metrics.ts';
import { type ArchivedRun, decodeRun } from '../../src/storage/run-archive.ts';
import { untar } from '../../src/storage/tar.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import type { Backend } from '../../src/web/train/backend.ts';
import { type PageDataset, packDataset, unpackDataset } from '../../src/web/train/packed-dataset.ts';
import { type ImageTraining, newTraining, resumedTraining } from '../../src/web/train/training.ts';
import { bestAt } from '../storage/_checkpoint.ts';

const image = { channels: 1, height: 28, width: 28 };
const FRACTION = 0.01;
const spec = parseSpec(
  {
    dataset: 'mnist',
    image,
    classes: 10,
    model: { kind: 'vit', patch: 14, width: 16, layers: 1, heads: 2 },
    microBatch: 20,
  },
  'test',
);
const settings = {
  graph: 'tiny',
  trainFraction: FRACTION,
  batchSize: 20,
  epochs: 1,
  warmupEpochs: 0.2,
  gr: 'exact',
  grWarmup: 'zero',
};
const cpu = { device: 'cpu', threads: 1 } as const;
const backend: Backend = { load: (graph) => createSession(graph, cpu) };
/** The backend of a page on WebGPU, here on the processor, which takes the same graphs. */
const resident: Backend = { ...backend, open: (step, next) => createResidentSession(step, cpu, next) };

let dataset: PageDataset;
test.before(async () => {
  const whole = await openDataset({ dataset: 'mnist' });
  const info = imageInfo(whole);
  const [train, tests] = [stratifiedSubset(whole.train, FRACTION), stratifiedSubset(whole.test, FRACTION)];
  const classSizes = info.classes.map(
    (_, k) => whole.train.strata?.filter((label) => label === k).length ?? 0,
  );
  const packed = await packDataset({ ...info, train, test: tests, fraction: FRACTION, classSizes });
  dataset = await unpackDataset(new Blob([packed]), 'mnist.pack');
});

async function advance(training: ImageTraining, steps: number): Promise<void> {
  for (let i = 0; i < steps; i++) await training.advance();
}

const saved = async (training: ImageTraining): Promise<ArchivedRun> => {
  const { name, pieces } = await training.save(new Date());
  return decodeRun(untar(Buffer.concat(pieces), name), name);
};

const timeless = (lines: readonly MetricsLine[]) =>
  lines.map((line) => ({ ...line, examples_per_second: 0 }));

test('saved, loaded and gone on with, a run is bit by bit the one that never stopped', async (t) => {
  const whole = await newTraining(settings, spec, { dataset, backend });
  t.is(whole.lastStep, 29);
  await advance(whole, 29);

  const begun = await newTraining(settings, spec, { dataset, backend });
  await advance(begun, 9);
  const resumed = await resumedTraining(await saved(begun), 'run.tar', { dataset, backend });
  t.is(resumed.step(), 9);
  await advance(resumed, 20);

  t.deepEqual(timeless(resumed.metrics()), timeless(whole.metrics()));
  t.is(whole.metrics().filter(({ split }) => split === 'test').length, 2); // at step 20, and at the end
  t.deepEqual(
    whole.metrics().flatMap(({ split, lambda }) => (split === 'train' ? [lambda] : [])),
    Array.from({ length: 29 }, (_, step) => (step < 6 ? 0 : 0.01)),
  );
  const [one, other] = [await saved(resumed), await saved(whole)];
  t.deepEqual(one.checkpoint, other.checkpoint);
  t.is(one.checkpoint.best?.step, 29);
  t.is((await saved(begun)).checkpoint.best, null); // not measured at its step
  await Promise.all([whole, begun, resumed].map((training) => training.release()));
});

/** Each measurement gives every image these logits of class 0, and 0 for the others. */
function answering(...measurements: readonly number[]): Backend {
  let images = 0;
  const perMeasurement = dataset.test.length;
  return {
    async load(graph) {
      const session = await createSession(graph, cpu);
      if (!session.outputs.includes('total/loss')) return session;
      return {
        ...session,
        async run(feeds) {
          const labels = [...(feeds.labels?.data ?? [])].map(Number);
          const logit = measurements[Math.floor(images / perMeasurement)] ?? 0;
          images += labels.length;
          // A model that takes all for zeros, of which there are more than fives, or for fives.
          const logits = Array.from({ length: 10 }, (_, k) => (k === 0 ? logit : k === 5 ? 0.5 : 0));
          const sum = Math.log(logits.reduce((total, each) => total + Math.exp(each), 0));
          const loss = labels.reduce((total, label) => total + sum - (logits[label] ?? 0), 0);
          const right = labels.filter((label) => label === (logit > 0.5 ? 0 : 5)).length;
          const told = (value: number) =>
            ({ dtype: 'float32', shape: [], data: Float32Array.of(value) }) as const;
          return { ...(await session.run(feeds)), 'total/loss': told(loss), 'sums/top1/right': told(right) };
        },
      };
    },
  };
}

for (const [what, measurements, isBest] of [
  ['a lower accuracy', [1, -1], false],
  ['the same accuracy at a higher loss', [1, 2], false],
  ['the same accuracy at a lower loss', [2, 1], true],
  ['a higher accuracy', [-1, 1], true],
] as const) {
  test(`${what} is ${isBest ? '' : 'not '}saved as the best`, async (t) => {
    const plain = { ...settings, gr: 'none', grWarmup: 'none' };
    const training = await newTraining(plain, spec, { dataset, backend: answering(...measurements) });
    await advance(training, 29);
    const tests = training.metrics().filter(({ split }) => split === 'test');
    t.deepEqual(
      tests.map(({ step }) => step),
      [20, 29],
    );
    const { best } = (await saved(training)).checkpoint;
    t.is(best?.step ?? null, isBest ? 29 : null);
    await training.release();
  });
}

test('messages name options as the form does', async (t) => {
  const refused = (given: object, message: string) =>
    t.throwsAsync(newTraining({ ...settings, ...given }, spec, { dataset, backend }), {
      instanceOf: UserError,
      message,
    });
  await refused({ epochs: 0.5 }, 'Epochs: expected an integer ≥ 1, got 0.5');
  await refused({ warmupEpochs: 2 }, 'Warmup epochs: 2 is longer than the run of Epochs 1');
  await refused(
    { gr: 'none' },
    'Regularization warmup: has an effect only with Regularization “exact: penalizes the gradient’s norm”, “finite difference: nearly the same”, “SAM: sharpness-aware minimization”, “ASAM: SAM scaled by the weights”, “GSAM: SAM without the orthogonal part” or “LookSAM: SAM at every fifth step”, but Regularization is “none”',
  );
  await refused(
    { grWarmup: 'r' },
    'Regularization warmup “r grows”: exact regularization takes no finite difference, so it has no r to ramp; use “λ grows” or “off, then on”, or Regularization “finite difference: nearly the same”',
  );
  const wild = { ...settings, gr: 'none', grWarmup: 'none', learningRate: 1e30, warmupEpochs: 0 };
  const training = await newTraining(wild, spec, { dataset, backend });
  await t.throwsAsync(advance(training, 20), {
    instanceOf: UserError,
    message: /Try a lower Learning rate, or more Warmup epochs$/,
  });
  await training.release();
});

test('a run of more images keeps its schedule, and goes past where it was told to stop early', async (t) => {
  const training = await newTraining(settings, spec, { dataset, backend });
  const run = await saved(training);
  await training.release();
  const config = { ...run.checkpoint.config, trainFraction: 1, maxSteps: 1 };
  const elsewhere = { ...run, checkpoint: { ...run.checkpoint, config } };
  const resumed = await resumedTraining(elsewhere, 'run.tar', { dataset, backend });
  t.is(resumed.plan.stepsPerEpoch, 3000);
  t.is(resumed.lastStep, 3000);
  await advance(resumed, 2);
  const [first, second] = resumed.metrics();
  t.is(first?.epoch, 1);
  t.true(Math.abs((second?.lr ?? 0) - 0.002 / 600) < 1e-12);
  await resumed.release();
});

test('a run that holds out validation images is refused', async (t) => {
  await t.throwsAsync(newTraining({ ...settings, validation: 0.1 }, spec, { dataset, backend }), {
    instanceOf: UserError,
    message: /^settings: the run holds out validation images, and a page does not; train it in node/,
  });
});

test('an evaluation that is worse than the best before it is not the best', async (t) => {
  const begun = await newTraining(settings, spec, { dataset, backend });
  await advance(begun, 19);
  const run = await saved(begun);
  await begun.release();
  for (const [top1, best] of [
    [2, null],
    [-1, 20],
  ] as const) {
    const before = { ...bestAt(top1, 10), loss: 1 };
    const other = { ...run, checkpoint: { ...run.checkpoint, best: before } };
    const resumed = await resumedTraining(other, 'run.tar', { dataset, backend });
    await advance(resumed, 1);
    t.is((await saved(resumed)).checkpoint.best?.step ?? null, best);
    await resumed.release();
  }
});

test('a run of other images, and a batch larger than all of them, are refused', async (t) => {
  const training = await newTraining(settings, spec, { dataset, backend });
  const run = await saved(training);
  await training.release();
  const other = { ...run.checkpoint.dataset, name: 'cifar10' as const };
  await t.throwsAsync(
    resumedTraining({ ...run, checkpoint: { ...run.checkpoint, dataset: other } }, 'run.tar', {
      dataset,
      backend,
    }),
    { instanceOf: UserError, message: /^run\.tar: it was trained on cifar10 of .*, expected mnist of / },
  );
  await t.throwsAsync(newTraining({ ...settings, batchSize: 1000 }, spec, { dataset, backend }), {
    instanceOf: UserError,
    message: 'Batch size 1000: expected at most 599, the training images that this page has',
  });
});

test('steps that stay on a device give the run that ours give, saved and gone on with in between', async (t) => {
  const ours = await newTraining(settings, spec, { dataset, backend });
  await advance(ours, 24);
  const begun = await newTraining(settings, spec, { dataset, backend: resident });
  await advance(begun, 9);
  const theirs = await resumedTraining(await saved(begun), 'run.tar', { dataset, backend: resident });
  await advance(theirs, 15);
  const [a, b] = [ours.metrics(), theirs.metrics()];
  t.is(a.length, 25); // with the test images at step 20
  t.is(b.length, a.length);
  for (const [i, { loss, metrics, lambda }] of a.entries()) {
    t.true(Math.abs((loss ?? 0) - (b[i]?.loss ?? Number.NaN)) < 1e-3, `line ${i}: ${loss}, ${b[i]?.loss}`);
    t.is(lambda, b[i]?.lambda ?? null);
    t.is(metrics.top1 === null, b[i]?.metrics.top1 == null);
  }
  const pixels = new Uint8Array(28 * 28).fill(128);
  const [one, other] = [await ours.classify(pixels), await theirs.classify(pixels)];
  t.true(one.every((logit, i) => Math.abs(logit - (other[i] ?? Number.NaN)) < 1e-2));
  await Promise.all([ours, begun, theirs].map((training) => training.release()));
});
