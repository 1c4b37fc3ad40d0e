/** A regression on a table, a classifier of texts and a model with frozen layers, built from here: no file of src knows. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { evaluate } from '../../src/cli/evaluate.ts';
import { exportModel } from '../../src/cli/export.ts';
import { train } from '../../src/cli/train.ts';
import { assembleBatch } from '../../src/data/batches.ts';
import { openDataset } from '../../src/node.ts';
import { Random } from '../../src/random.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { ownModule, ownProject, refusal, said } from '../cli/_own.ts';

const project = ownProject();
test.after.always(() => project.close());

const random = new Random(1, 'sample');
/** Two numbers, of which every seventh lacks, a category that lacks now and then, and what they make. */
const ROWS = Array.from({ length: 600 }, (_, i) => {
  const [a, b] = [random.normal(), random.normal()];
  const kind = ['red', 'green', 'blue'][random.integer(3)] ?? '';
  const price = 3 * a - 2 * b * (kind === 'red' ? 1 : -1) + (i % 7 === 0 ? 0.5 : 0);
  return [
    i % 7 === 0 ? '' : a.toFixed(4),
    b.toFixed(4),
    i % 11 === 0 ? '?' : kind,
    (100 + price).toFixed(4),
  ].join(',');
});
const COLUMNS = {
  columns: {
    a: { type: 'number', missing: 'mean' },
    b: { type: 'number' },
    kind: { type: 'category', missing: 'own' },
  },
  target: { type: 'number', column: 'price' },
  testShare: 0.4,
};
const tableModule = ownModule({
  'shape: [2]': 'shape: [7]',
  'mae: og.meanAbsoluteError()': 'r2: og.r2()',
  'x, 8': 'x, 32',
});
const FLAGS = ['--threads', '1', '--warmup-epochs', '0', '--lr', '0.02', '--gr', 'none'];

test.serial(
  'a table with missing values and categories: R² over the whole set is that of its predictions',
  async (t) => {
    project.write('prices.csv', `a,b,kind,price\n${ROWS.join('\n')}\n`);
    project.write('prices.json', JSON.stringify(COLUMNS));
    project.write('table.mjs', tableModule);
    const flags = ['--dataset', 'table', '--data', 'prices.csv', '--epochs', '20', '--batch-size', '32'];
    await said(train, '--model', 'table.mjs', ...flags, ...FLAGS, '--out', 'table');
    const records = readFileSync('table/metrics.jsonl', 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const logged: number = records.findLast(({ split }) => split === 'test').r2;
    t.true(logged > 0.8, String(logged));

    await said(exportModel, 'table/last', '--model', 'table.mjs', '--out', 'table.onnx');
    const { fields, test: rows } = await openDataset({ dataset: 'table', dir: 'prices.csv' });
    t.true(rows.length > 200, 'more than two batches');
    const { fields: data } = await assembleBatch(
      fields,
      rows,
      Uint32Array.from({ length: rows.length }, (_, i) => i),
    );
    const session = await createSession(readFileSync('table.onnx'), { device: 'cpu', threads: 1 });
    const { output } = await session.run({
      x: { dtype: 'float32', shape: [rows.length, 7], data: Float32Array.from(data.x ?? [], Number) },
    });
    await session.release();
    const y = Array.from(data.y ?? [], Number);
    const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
    const squares = (of: (value: number, i: number) => number) =>
      y.reduce((sum, value, i) => sum + of(value, i) ** 2, 0);
    const r2 = 1 - squares((value, i) => value - Number(output?.data[i])) / squares((value) => value - mean);
    t.true(Math.abs(logged - r2) < 1e-5, `${logged}, by hand ${r2}`);
  },
);

test.serial('one line: a row of a table that is broken', async (t) => {
  project.write('broken.csv', `a,b,kind,price\n${ROWS.slice(0, 20).join('\n')}\n1.5,2\n`);
  project.write('broken.json', JSON.stringify(COLUMNS));
  const table = ['--model', 'table.mjs', '--dataset', 'table', ...FLAGS, '--out', 'none'];
  t.is(
    await refusal(t, train, ...table, '--data', 'broken.csv', '--batch-size', '8'),
    'broken.csv:22: expected 4 cells, as in the header, got 2',
  );
});

/** Texts as bytes: of those with an x or not; an encoder of the package tells which. */
const textModule = `${ownModule().split('export const task')[0]}
const config = { kind: 'encoder', vocabulary: 128, width: 16, layers: 1, heads: 2 };
export const task = {
  fields: { tokens: { dtype: 'int32', shape: [12] }, labels: { dtype: 'int32', shape: [] } },
  predict: (scope, { tokens }) => ({ logits: og.encoder(scope, tokens, 2, config) }),
  loss: ({ logits }, { labels }) => og.crossEntropy(logits, labels),
  metrics: { accuracy: og.accuracy() },
};
const split = (length, from) => ({
  length,
  read(index, out, at) {
    const label = (index + from) % 2;
    for (let i = 0; i < 12; i++) out.tokens[12 * at + i] = 97 + ((7 * (index + from) + 5 * i + index * i) % 22);
    if (label === 1) out.tokens[12 * at + (index % 12)] = 120;
    out.labels[at] = label;
  },
});
export const open = () => ({
  name: 'crosses', fields: task.fields, found: 'found texts', about: {}, bytes: 0,
  train: split(256, 0), test: split(64, 1000),
});
`;

test.serial('texts, and the same with its embedding frozen', async (t) => {
  project.write('text.mjs', textModule);
  const flags = ['--epochs', '12', '--batch-size', '32', ...FLAGS, '--lr', '0.01'].filter(
    (flag, i, all) => !(flag === '--lr' && all[i + 1] === '0.02') && flag !== '0.02',
  );
  const accuracyOf = async (run: string) => {
    const [, percent] = /accuracy ([\d.]+)/i.exec(await said(evaluate, run, '--model', 'text.mjs')) ?? [];
    return Number(percent);
  };
  await said(train, '--model', 'text.mjs', ...flags, '--out', 'text');
  t.true((await accuracyOf('text')) > 0.9);
  await said(train, '--model', 'text.mjs', ...flags, '--freeze', 'embed', '--out', 'text-frozen');
  const frozen = decodeSafetensors(readFileSync('text-frozen/frozen.safetensors'), '').tensors;
  t.true(frozen.length > 0);
  const trained = decodeSafetensors(readFileSync('text-frozen/last/model.safetensors'), '').tensors;
  t.true(frozen.every(({ name }) => !trained.some((other) => other.name === name)));
  t.true((await accuracyOf('text-frozen')) > 0.6);
});

test.serial('one line: a token out of range', async (t) => {
  project.write('range.mjs', textModule.replace('= 120;', '= 128;'));
  const line = await refusal(
    t,
    train,
    '--model',
    'range.mjs',
    '--epochs',
    '1',
    '--batch-size',
    '32',
    ...FLAGS,
    '--out',
    'range',
  );
  t.is(
    line,
    'tokens/Gather: expected indices of 0 to 127, got 128 in the data; give a table with more rows (a larger vocabulary), or data that fit it',
  );
});
