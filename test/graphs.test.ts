/**
 * Every committed graph: the smallest of each kind of model and of each dataset trains for three steps, on a few examples
 * in the dataset's own files. The others differ from it in their sizes, and to run a network of 300 million parameters
 * takes minutes: they are built, and loaded by ONNX Runtime, which checks every type and shape.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { TaskGraphs } from '../src/artifacts/graphs.ts';
import { listGraphs } from '../src/artifacts/store.node.ts';
import { isDatasetName } from '../src/data/names.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { sizeOf } from '../src/onnx/shapes.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import { taskOf } from '../src/tasks/own.ts';
import { parseSpec } from '../src/tasks/parse-spec.ts';
import { isOwnSpec } from '../src/tasks/spec.ts';
import { command } from './cli/_program.ts';
import { cifar10Files, cifarRecords, mnistFiles, writeFiles } from './data/_files.ts';
import { writeImagenet, writeTinyImagenet } from './data/_pictures.ts';

const out = mkdtempSync(path.join(tmpdir(), 'ortgrad-graphs-'));
test.after.always(() => rmSync(out, { recursive: true }));

/** ImageNet and its small sibling have pictures of 10 of their classes here: to test a network on all takes minutes. */
const FEW_CLASSES = 10;

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
    await writeTinyImagenet(dir, { classes: FEW_CLASSES, train: 1, test: 1 });
    return ['--data', dir];
  },
  imagenet: async (dir) => {
    await writeImagenet(dir, { classes: FEW_CLASSES, train: 2, test: 1 });
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

/** The path of the same graph with fewer classes and, of ImageNet, with a twelfth of the pixels. */
function smaller(name: string): string {
  const copy = path.join(out, 'few', name);
  const spec = JSON.parse(readFileSync(path.join('graphs', name, 'spec.json'), 'utf8'));
  const text = JSON.stringify({
    ...spec,
    classes: FEW_CLASSES,
    image: { channels: 3, height: 64, width: 64 },
  });
  writeFiles(copy, { 'spec.json': new TextEncoder().encode(text) });
  return copy;
}

const graphs = listGraphs()
  .map((name) => {
    const file = path.join('graphs', name, 'spec.json');
    const spec = parseSpec(JSON.parse(readFileSync(file, 'utf8')), file);
    if (!isOwnSpec(spec)) throw new Error(`test: ${name} is no model of ours`);
    const built = new TaskGraphs(taskOf(spec), { batch: 2, target: spec.target });
    const size = built.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return { name, spec, built, size };
  })
  .sort((a, b) => a.size - b.size);
const seen = new Set<string>();

for (const { name, spec, built } of graphs) {
  const about = [spec.model.kind, spec.dataset];
  const isFirst = about.some((each) => !seen.has(each));
  for (const each of about) seen.add(each);
  if (isFirst) {
    test.serial(`${name}, the smallest of its kind or of its dataset, trains`, async (t) => {
      t.timeout(8 * 60_000);
      const run = path.join(out, name);
      const graph = spec.dataset.endsWith('imagenet') ? smaller(name) : name;
      const flags = [...FLAGS.split(' '), ...(await dataOf(spec.dataset))];
      const { code, stdout, stderr } = await command('train', '--graph', graph, '--out', run, ...flags);
      t.is(code, 0, stderr);
      const metrics = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
      const losses = metrics.map((line) => JSON.parse(line)).filter(({ split }) => split === 'train');
      t.is(losses.length, 3, stdout);
      t.true(losses.every(({ loss, grad_norm }) => Number.isFinite(loss) && grad_norm > 0));
    });
  } else {
    test.serial(`${name}: ONNX Runtime loads its gradient`, async (t) => {
      t.true(isDatasetName(spec.dataset));
      const graph = serialize(built.graph('loss-grad'));
      const session = await createSession(graph, { device: 'cpu', threads: 1 });
      const gradients = session.outputs.filter((output) => output.startsWith('grad/'));
      await session.release();
      t.deepEqual(
        gradients,
        built.parameters.map((parameter) => `grad/${parameter.path}`),
      );
    });
  }
}
