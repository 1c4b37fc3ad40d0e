/** An ONNX file of somebody else's from the command line: artifacts, train, resume, evaluate, export, and in ONNX Runtime. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { openGraph } from '../../src/artifacts/store.node.ts';
import { artifacts } from '../../src/cli/artifacts.ts';
import { evaluate, measureOnTest } from '../../src/cli/evaluate.ts';
import { exportModel } from '../../src/cli/export.ts';
import { inspect } from '../../src/cli/inspect.ts';
import { train } from '../../src/cli/train.ts';
import { readModel } from '../../src/import/onnx-model.ts';
import { openModel } from '../../src/inference/model.node.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { type FileNode, grid, onnxFile } from '../import/_onnx-file.ts';
import { lastOf, ownModule, ownProject, refusal, said } from './_own.ts';

const project = ownProject();
test.after.always(() => project.close());

const CPU = { device: 'cpu', threads: 1 } as const;
const FLAGS = ['--epochs', '4', '--batch-size', '16', '--threads', '1', '--lr', '0.05'];

/** 64 and 20 points of four numbers, in three classes. */
const DATA = `
const split = (length) => ({
  length,
  read(index, out, at) {
    const x = [0, 1, 2, 3].map((i) => Math.sin(index * (i + 1)));
    out.x.set(x, 4 * at);
    out.labels[at] = x[0] > 0.4 ? 2 : x[1] > 0 ? 1 : 0;
  },
});
export const open = () => ({
  name: 'points',
  fields: { x: { dtype: 'float32', shape: [4] }, labels: { dtype: 'int32', shape: [] } },
  found: 'found 64 and 20 points',
  about: { classes: ['a', 'b', 'c'] },
  bytes: 0,
  train: split(64),
  test: split(20),
});
`;

const dense = (name: string, input: string, output: string): FileNode => ({
  ...{
    op: 'Gemm',
    name: `/${name}/Gemm`,
    inputs: [input, `${name}.weight`, `${name}.bias`],
    outputs: [output],
  },
  attributes: { transB: 1 },
});

const NODES: readonly FileNode[] = [
  dense('hidden', 'x', 'h'),
  {
    op: 'BatchNormalization',
    inputs: ['h', 'norm.weight', 'norm.bias', 'norm.running_mean', 'norm.running_var'],
    outputs: ['n'],
  },
  { op: 'Relu', inputs: ['n'], outputs: ['r'] },
  dense('head', 'r', 'logits'),
  { op: 'Softmax', inputs: ['logits'], outputs: ['probabilities'], attributes: { axis: 1 } },
];

const ones = (count: number) => ({ shape: [count], data: new Float32Array(count).fill(1) });
const TENSORS = {
  'hidden.weight': grid([8, 4], 2),
  'hidden.bias': grid([8]),
  'norm.weight': ones(8),
  'norm.bias': grid([8], 0.1),
  'norm.running_mean': grid([8], 0.2),
  'norm.running_var': ones(8),
  'head.weight': grid([3, 8]),
  'head.bias': grid([3]),
};

function file(nodes = NODES, last = 'probabilities'): Uint8Array {
  return onnxFile({
    nodes,
    tensors: TENSORS,
    inputs: { x: ['batch', 4] },
    outputs: { [last]: ['batch', 3] },
  });
}

const KINDS: Readonly<
  Record<string, { readonly flags: readonly string[]; readonly saved: readonly string[] }>
> = {
  head: { flags: ['--trainable', '^head'], saved: ['head.weight', 'head.bias'] },
  whole: { flags: [], saved: Object.keys(TENSORS) },
  adapters: {
    flags: ['--lora', 'hidden|head', '--rank', '2'],
    saved: ['hidden', 'head'].flatMap((name) => ['A', 'B'].map((part) => `${name}.weight/lora_${part}`)),
  },
};

test.before(async () => {
  project.write('data.mjs', DATA);
  writeFileSync('model.onnx', file());
  for (const [kind, { flags }] of Object.entries(KINDS)) {
    const told = await said(
      artifacts,
      'model.onnx',
      ...flags,
      '--dataset',
      './data.mjs',
      '--out',
      `graphs/${kind}`,
    );
    if (!told.includes('trains: ')) throw new Error(`test: ${told}`);
  }
});

const run = (kind: string, out: string, ...more: string[]) =>
  said(train, '--graph', `graphs/${kind}`, ...FLAGS, '--out', out, ...more);

for (const [kind, { saved }] of Object.entries(KINDS)) {
  test.serial(`${kind}: trained, resumed to the same bits, measured, exported`, async (t) => {
    const out = `runs/${kind}`;
    await run(kind, out);
    const log = readFileSync(`${out}/metrics.jsonl`, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const losses = log.filter(({ split }) => split === 'train').map(({ loss }) => loss);
    t.is(losses.length, 16);
    t.true(losses.at(-1) < losses[0], String(losses));

    await run(kind, `${out}-part`, '--max-steps', '6');
    await said(train, '--resume', `${out}-part`, '--max-steps', '0');
    t.deepEqual(lastOf(`${out}-part`), lastOf(out));

    // What is frozen lies in the graph's folder, and nowhere else.
    t.deepEqual(
      Object.keys(lastOf(out))
        .filter((name) => name.startsWith('model: '))
        .sort(),
      saved.map((name) => `model: ${name}`).sort(),
    );
    t.false(existsSync(`${out}/frozen.safetensors`));

    t.regex(await said(evaluate, out), /^20 test examples: loss \d+\.\d+/);
    t.regex(
      await said(exportModel, '--checkpoint', out, '--merge', '--out', `${kind}.onnx`),
      new RegExp(`^${kind}.onnx: `),
    );
    const { loss } = await measureOnTest(await openModel(out), CPU);
    t.true(Math.abs((await lossOf(`${kind}.onnx`)) - loss) < 1e-5);
    const [before, after] = ['model.onnx', `${kind}.onnx`].map((name) => readModel(readFileSync(name)));
    t.deepEqual(
      after?.nodes.map(({ proto }) => proto),
      before?.nodes.map(({ proto }) => proto),
    );
    t.deepEqual(after?.types, before?.types);
  });
}

/** −mean log p of the labels over the test examples, from the exported file alone. */
async function lossOf(name: string): Promise<number> {
  const { open } = await import(path.resolve('data.mjs'));
  const out = { x: new Float32Array(80), labels: new Int32Array(20) };
  const { test: examples } = open();
  for (let i = 0; i < 20; i++) examples.read(i, out, i);
  const session = await createSession(readFileSync(name), CPU);
  const feeds: Record<string, Tensor> = { x: { dtype: 'float32', shape: [20, 4], data: out.x } };
  const { probabilities } = await session.run(feeds);
  await session.release();
  const logs = Array.from(out.labels, (label, i) => Math.log(Number(probabilities?.data[3 * i + label])));
  return -logs.reduce((a, b) => a + b, 0) / 20;
}

test.serial('adapters are written for PEFT, and are what another run begins with', async (t) => {
  const told = await said(exportModel, 'runs/adapters', '--adapters', 'peft');
  t.regex(told, /^peft: 2 adapters as PEFT reads them/);
  t.false(existsSync('model-merged.onnx'));
  t.deepEqual(readdirSync('peft').sort(), ['adapter_config.json', 'adapter_model.safetensors']);
  const again = ['--adapters', 'peft', '--dataset', './data.mjs', '--out', 'graphs/again'];
  await said(artifacts, 'model.onnx', ...again);
  const { task } = await openGraph('graphs/again');
  const saved = lastOf('runs/adapters');
  const start = task.start?.values();
  for (const { name } of decodeSafetensors(readFileSync('peft/adapter_model.safetensors'), 'peft').tensors) {
    const [, module, part] = /model\.(\w+)\.lora_([AB])/.exec(name) ?? [];
    const variable = `${module}.weight/lora_${part}`;
    t.deepEqual(start?.get(variable), saved[`model: ${variable}`]);
  }
});

test.serial('a new last layer for another number of classes', async (t) => {
  project.write(
    'two.mjs',
    DATA.replace('? 2 : x[1] > 0 ? 1 : 0', '? 1 : 0').replace("['a', 'b', 'c']", "['a', 'b']"),
  );
  const flags = ['--trainable', '^head', '--dataset', './two.mjs', '--out', 'graphs/two'];
  const asked = ['--graph', 'graphs/two', ...FLAGS, '--out', 'runs/two'];
  await said(artifacts, 'model.onnx', ...flags);
  t.regex(await refusal(t, train, ...asked), /the graph tells 3 classes apart, but points has 2/);
  await said(artifacts, 'model.onnx', ...flags, '--classes', '2');
  await said(train, ...asked);
  await said(exportModel, 'runs/two', '--out', 'two.onnx');
  const session = await createSession(readFileSync('two.onnx'), CPU);
  const { probabilities } = await session.run({
    x: { dtype: 'float32', shape: [5, 4], data: new Float32Array(20) },
  });
  await session.release();
  t.deepEqual(probabilities?.shape, [5, 2]);
});

test.serial('inspect tells what a file is', async (t) => {
  const told = await said(inspect, 'model.onnx');
  for (const line of told.split('\n')) t.true(line.length <= 100, line);
  t.regex(told, /Gemm/);
  t.regex(told, /hidden/);
});

const REFUSED: Readonly<Record<string, readonly [argv: readonly string[], message: RegExp]>> = {
  'no file': [[], /^expected an ONNX file, for example model.onnx$/],
  'a missing file': [['none.onnx'], /^none.onnx: no such file or folder/],
  'no ONNX': [['data.mjs'], /^data.mjs: .*expected an ONNX model/],
  'a pattern that is none': [
    ['model.onnx', '--trainable', '('],
    /^--trainable: expected a regular expression, got "\(": Invalid/,
  ],
  'a pattern that finds nothing': [
    ['model.onnx', '--trainable', 'layer9'],
    /^model.onnx: trainable: none of the 8 weights matches \/layer9\/; they are hidden.weight/,
  ],
  'adapters that find nothing': [
    ['model.onnx', '--lora', 'query'],
    /--lora query: finds none of the 2 products/,
  ],
  'another output': [
    ['model.onnx', '--output', 'features'],
    /--output features: the file has no such output; it has probabilities$/,
  ],
  'a loss that does not fit': [
    ['model.onnx', '--loss', 'next-token'],
    /--loss next-token: expected an output/,
  ],
  'mean without std': [
    ['model.onnx', '--mean', '0.5'],
    /^model.onnx: --mean: expected --mean and --std together/,
  ],
  'another input': [['model.onnx', '--inputs', 'y=x'], /--inputs y: the file has no such input; it has x$/],
  'a dimension without a size': [['model.onnx', '--dim', 'sequence'], /--dim: expected NAME=VALUE pairs/],
};

for (const [what, [argv, message]] of Object.entries(REFUSED)) {
  test.serial(`artifacts refuses ${what}`, async (t) => {
    t.regex(await refusal(t, artifacts, ...argv), message);
  });
}

test.serial('a file that was changed, or is gone, is named', async (t) => {
  await said(artifacts, 'model.onnx', '--dataset', './data.mjs', '--out', 'graphs/gone');
  await run('gone', 'runs/gone', '--max-steps', '2');
  const kept = readFileSync('graphs/gone/model.onnx');
  writeFileSync('graphs/gone/model.onnx', file(NODES.slice(0, -1), 'logits'));
  t.regex(
    await refusal(t, evaluate, 'runs/gone'),
    /graphs\/gone\/model.onnx: it is not the file that the spec was written for/,
  );
  writeFileSync('elsewhere.onnx', kept);
  t.regex(await said(evaluate, 'runs/gone', '--model', 'elsewhere.onnx'), /^20 test examples/);
});

test.serial('--merge is for imported models', async (t) => {
  project.write('own.mjs', ownModule());
  await said(train, '--model', 'own.mjs', ...FLAGS, '--max-steps', '1', '--out', 'runs/own');
  const asked = ['runs/own', '--model', 'own.mjs'];
  t.regex(
    await refusal(t, exportModel, ...asked, '--merge'),
    /^--merge: expected a model that ortgrad artifacts imported from an ONNX file/,
  );
});
