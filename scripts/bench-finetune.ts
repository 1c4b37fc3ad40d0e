/**
 * Fine-tuning of an exported file that makes sense: a ResNet learns the first five classes of CIFAR-10 and is exported;
 * then the head of that file learns the last five, through `ortgrad artifacts`. What PyTorch needs to do the same with
 * the same batches is written beside it (scripts/peers/torch_finetune.py).
 *
 *     npm run bench:finetune -- FOLDER_OF_CIFAR10 OUT [EPOCHS] [EXAMPLES_OF_A_CLASS]
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { openGraph } from '../src/artifacts/store.node.ts';
import { artifacts } from '../src/cli/artifacts.ts';
import { measureOnTest } from '../src/cli/evaluate.ts';
import { exportModel } from '../src/cli/export.ts';
import { runMain } from '../src/cli/fail.ts';
import { print } from '../src/cli/print.ts';
import { train } from '../src/cli/train.ts';
import { configFor } from '../src/config/config.ts';
import { TO_TRAIN } from '../src/data/batches.ts';
import { openLoader } from '../src/data/loader.node.ts';
import { UserError } from '../src/errors.ts';
import { openModel } from '../src/inference/model.node.ts';
import { datasetSource } from '../src/inference/source.ts';

const BATCH = 64;
const SEED = 0;
const SETTINGS = [
  '--gr',
  'none',
  '--batch-size',
  String(BATCH),
  '--seed',
  String(SEED),
  '--augment',
  'none',
  '--threads',
  '1',
];
const HEAD = { rate: 0.01, decay: 0.05 };

/** A dataset of five classes of CIFAR-10: a module, as a user would write it. */
function moduleOf(data: string, first: number, examples: number): string {
  return `import { openCifar } from '${pathToFileURL(path.resolve('src/data/cifar.node.ts')).href}';
import { imageDataset } from '${pathToFileURL(path.resolve('src/data/images.ts')).href}';

export async function open(source) {
  const all = await openCifar('cifar10', ${JSON.stringify(data)});
  const of = (split, most) => {
    const seen = [0, 0, 0, 0, 0];
    const chosen = [];
    split.labels.forEach((label, i) => {
      const own = label - ${first};
      if (own >= 0 && own < 5 && seen[own]++ < most) chosen.push(i);
    });
    const labels = Int32Array.from(chosen, (i) => split.labels[i] - ${first});
    return { length: chosen.length, labels, pixels: (i) => split.pixels(chosen[i]) };
  };
  const images = {
    ...all,
    classes: all.classes.slice(${first}, ${first} + 5),
    train: of(all.train, ${examples}),
    test: of(all.test, Infinity),
  };
  return imageDataset(images, source, 0);
}
`;
}

await runMain(async ([data, out, epochs = '4', examples = '1000']) => {
  if (data === undefined || out === undefined)
    throw new UserError('expected the folder of CIFAR-10 and a folder to write to');
  mkdirSync(path.join(out, 'base'), { recursive: true });
  const at = (name: string): string => path.resolve(out, name);
  writeFileSync(at('first.mjs'), moduleOf(path.resolve(data), 0, Number(examples)));
  writeFileSync(at('last.mjs'), moduleOf(path.resolve(data), 5, Number(examples)));
  const base = {
    dataset: at('first.mjs'),
    image: { channels: 3, height: 32, width: 32 },
    classes: 5,
    model: { kind: 'resnet', variant: 'micro', stem: 'cifar' },
    microBatch: BATCH,
  };
  writeFileSync(at('base/spec.json'), JSON.stringify(base));
  const steps = [...SETTINGS, '--epochs', epochs];
  await train(['--graph', at('base'), ...steps, '--lr', '3e-3', '--out', at('runs/base')]);
  await exportModel([at('runs/base/last'), '--out', at('base.onnx')]);
  await artifacts([
    at('base.onnx'),
    '--trainable',
    '^head',
    '--dataset',
    at('last.mjs'),
    '--out',
    at('head'),
  ]);
  await train([
    ...['--graph', at('head'), ...steps, '--lr', String(HEAD.rate), '--schedule', 'constant', '--clip', '0'],
    ...['--warmup-epochs', '0', '--weight-decay', String(HEAD.decay), '--out', at('runs/head')],
  ]);
  const { loss, metrics } = await measureOnTest(await openModel(at('runs/head/last')), {
    device: 'cpu',
    threads: 0,
  });
  print(`the head on the last five classes: loss ${loss.toFixed(4)}, accuracy ${metrics.top1?.toFixed(4)}`);
  await writeBatches(at('head'), at, Number(epochs));
});

/** The batches of the run, and the losses of its steps, for PyTorch. */
async function writeBatches(graph: string, at: (name: string) => string, epochs: number): Promise<void> {
  const opened = await openGraph(graph);
  const source = datasetSource(configFor({ augment: 'none' }), opened);
  const shared = { source, batchSize: BATCH, seed: SEED } as const;
  const loader = await openLoader({ ...shared, split: 'train', shuffle: true, ...TO_TRAIN });
  const images: Float32Array[] = [];
  const labels: Int32Array[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for await (const { fields } of loader.batches({ epoch })) {
      if (fields.images instanceof Float32Array) images.push(fields.images);
      if (fields.labels instanceof Int32Array) labels.push(fields.labels);
    }
  }
  await loader.close();
  writeFileSync(at('images.f32'), Buffer.concat(images.map((each) => new Uint8Array(each.buffer))));
  writeFileSync(at('labels.i32'), Buffer.concat(labels.map((each) => new Uint8Array(each.buffer))));
  const lines = readFileSync(at('runs/head/metrics.jsonl'), 'utf8').trim().split('\n');
  const losses = lines.map((line) => JSON.parse(line)).filter(({ split }) => split === 'train');
  const about = { batch: BATCH, rate: HEAD.rate, decay: HEAD.decay, losses: losses.map(({ loss }) => loss) };
  writeFileSync(at('about.json'), JSON.stringify(about));
}
