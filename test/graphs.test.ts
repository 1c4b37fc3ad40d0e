/** Every committed graph trains: three steps of the program, on a few examples in its dataset's own files. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { listGraphs, openGraph } from '../src/artifacts/store.node.ts';
import { isDatasetName } from '../src/data/names.ts';
import { program } from './cli/_program.ts';
import { cifar10Files, cifarRecords, mnistFiles, writeFiles } from './data/_files.ts';
import { writeImagenet, writeTinyImagenet } from './data/_pictures.ts';

const out = mkdtempSync(path.join(tmpdir(), 'ortgrad-graphs-'));
test.after.always(() => rmSync(out, { recursive: true }));

/** ImageNet has pictures of 10 of its classes here: to test a network on a thousand takes minutes. */
const IMAGENET_CLASSES = 10;

/** What the datasets of the committed graphs are given. */
const DATA: Readonly<Record<string, (dir: string) => Promise<readonly string[]>>> = {
  mnist: fromFiles(mnistFiles),
  cifar10: fromFiles(() => cifar10Files(8)),
  cifar100: fromFiles(() => ({
    'train.bin': cifarRecords(Array.from({ length: 8 }, (_, i) => [0, 10 * i])),
    'test.bin': cifarRecords([
      [0, 1],
      [0, 2],
    ]),
  })),
  'tiny-imagenet': async (dir) => {
    await writeTinyImagenet(dir, { classes: 200, train: 1, test: 1 });
    return ['--data', dir];
  },
  imagenet: async (dir) => {
    await writeImagenet(dir, { classes: IMAGENET_CLASSES, train: 2, test: 1 });
    return ['--data', dir];
  },
  diamonds: async () => ['--train-fraction', '0.01'],
  languages: async () => ['--train-fraction', '0.05'],
};

function fromFiles(files: () => Readonly<Record<string, Uint8Array>>) {
  return async (dir: string): Promise<readonly string[]> => {
    writeFiles(dir, files());
    return ['--data', dir];
  };
}

const FLAGS =
  '--gr none --optimizer sgd --epochs 2 --max-steps 3 --batch-size 2 --warmup-epochs 0 --samples 0';
const given = new Map<string, Promise<readonly string[]>>();

/** The flags that give a dataset, whose files are written once. */
function dataOf(dataset: string): Promise<readonly string[]> {
  const flags = given.get(dataset) ?? DATA[dataset]?.(path.join(out, dataset));
  if (!flags) throw new Error(`test: no data for ${dataset}`);
  given.set(dataset, flags);
  return flags;
}

/** The path of the same graph with fewer classes. */
function ofFewClasses(name: string, folder: string): string {
  const copy = path.join(out, 'few', name);
  const spec = JSON.parse(readFileSync(path.join(folder, 'spec.json'), 'utf8'));
  const text = JSON.stringify({ ...spec, classes: IMAGENET_CLASSES });
  writeFiles(copy, { 'spec.json': new TextEncoder().encode(text) });
  return copy;
}

for (const name of listGraphs()) {
  test.serial(`${name} trains`, async (t) => {
    t.timeout(15 * 60_000);
    const { spec, folder } = await openGraph(name);
    t.true(isDatasetName(spec.dataset));
    const run = path.join(out, name);
    const graph = spec.dataset === 'imagenet' ? ofFewClasses(name, folder) : name;
    const flags = [...FLAGS.split(' '), ...(await dataOf(spec.dataset))];
    const { code, stdout, stderr } = await program('train', '--graph', graph, '--out', run, ...flags);
    t.is(code, 0, stderr);
    const metrics = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const losses = metrics.map((line) => JSON.parse(line)).filter(({ split }) => split === 'train');
    t.is(losses.length, 3, stdout);
    t.true(losses.every(({ loss, grad_norm }) => Number.isFinite(loss) && grad_norm > 0));
    // The largest has checkpoints of over a gigabyte.
    rmSync(run, { recursive: true });
  });
}
