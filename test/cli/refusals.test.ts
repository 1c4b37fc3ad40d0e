/** What a user of the command can give that does not go: one clear line each, before anything is trained. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { train } from '../../src/cli/train.ts';
import { importProblem } from '../../src/tasks/module.node.ts';
import { ownModule, ownProject, refusal } from './_own.ts';

const project = ownProject();
test.after.always(() => project.close());

let count = 0;
/** The line for a module with these changes, and these flags. Nothing is begun. */
async function refused(
  t: Parameters<typeof refusal>[0],
  changes: Readonly<Record<string, string>>,
  ...flags: string[]
): Promise<string> {
  const file = `m${count++}.mjs`;
  project.write(file, ownModule(changes));
  const out = `run-${file}`;
  const line = await refusal(
    t,
    train,
    '--model',
    file,
    '--batch-size',
    '16',
    '--epochs',
    '1',
    '--threads',
    '1',
    '--out',
    out,
    ...flags,
  );
  t.false(existsSync(out), 'a run was begun');
  return line.replaceAll(path.resolve(file), file);
}

const MODULES: Readonly<
  Record<string, readonly [changes: Readonly<Record<string, string>>, line: RegExp, ...flags: string[]]>
> = {
  'the data give another dtype': [
    {
      'fields: task.fields,\n  found':
        "fields: { ...task.fields, y: { dtype: 'int32', shape: [] } },\n  found",
    },
    /^the graph reads y as float32 \[\], but waves gives int32 \[\]: choose a graph and a dataset that fit$/,
  ],
  'the data give another shape': [
    {
      'fields: task.fields,\n  found':
        "fields: { ...task.fields, x: { dtype: 'float32', shape: [3] } },\n  found",
    },
    /^the graph reads x as float32 \[2\], but waves gives float32 \[3\]: /,
  ],
  'the data lack a field': [
    { 'fields: task.fields,\n  found': 'fields: { x: task.fields.x },\n  found' },
    /^the graph reads a field y, but waves gives x: /,
  ],
  'a field of no dtype': [
    { "y: { dtype: 'float32', shape: [] }": "y: { dtype: 'float64', shape: [] }" },
    /^field y: dtype: expected one of float32, int32, int64, uint8, bool, got "float64"; did you mean float32\?$/,
  ],
  'a field without a shape': [
    { "y: { dtype: 'float32', shape: [] }": "y: { dtype: 'float32' }" },
    /^field y: shape: expected a list of sizes, \[\] for one number, got undefined$/,
  ],
  'fewer examples than a batch': [{ 'train: split(64)': 'train: split(7)' }, /batch.*16.*7|7.*16/],
  'a path twice': [
    { "scope.sub('head')": "scope.sub('hidden')" },
    /^model: scope: expected a new path, got "hidden\/kernel" again$/,
  ],
  'an op that does not fit': [
    { "og.dense(scope.sub('head'), hidden, 1)": 'og.matmul(hidden, hidden)' },
    /^MatMul: expected inner dimensions to agree, got \[16, 8\] and \[16, 8\]/,
  ],
  'a mistake in JavaScript': [
    { 'predict(scope, { x })': 'predict(scope, { x, z })', 'hidden, 1)': 'hidden, z.width)' },
    /^model: Cannot read properties of undefined \(reading 'width'\)$/,
  ],
  'a mistake in the loss': [{ 'og.mse(output, y)': 'og.mse(output, z)' }, /^loss: z is not defined$/],
  'an async model': [
    { 'predict(scope': 'async predict(scope' },
    /^task: predict: expected outputs, got a promise: models are not async$/,
  ],
  'a loss that reaches nothing': [
    { 'og.mse(output, y)': 'og.mse(y, y)' },
    /^loss: expected it to depend on a trainable variable, got none of hidden\/kernel, .*: there is nothing to learn$/,
  ],
  'a weight that depends on a variable': [
    { 'og.mse(output, y)': '({ each: og.mse(output, y), weight: output })' },
    /^loss loss: expected a weight of fields alone, .* got one that depends on (head|hidden)\/(kernel|bias); /,
  ],
  'no head to scale': [
    { "scope.sub('head')": "scope.sub('last')" },
    /^--head-lr-scale: the model has no trained parameters under head\/$/,
    ...['--head-lr-scale', '10'],
  ],
  'a pattern that finds nothing': [
    {},
    /^--freeze \^block: finds none of the 4 parameters; their paths are hidden\/kernel, hidden\/bias, head\/kernel, head\/bias$/,
    ...['--freeze', '^block'],
  ],
  'a pattern that finds all': [
    {},
    /^--freeze \/: finds all 4 parameters, so that none is left to train$/,
    ...['--freeze', '/'],
  ],
  'a pattern that is none': [{}, /^--freeze: expected a regular expression, got "\["/, ...['--freeze', '[']],
  'labels to smooth where there are none': [
    {},
    /^--label-smoothing 0\.1: it has no effect on m\d+, whose loss has no labels to smooth; leave it out$/,
    ...['--label-smoothing', '0.1'],
  ],
  'a dataset that is not there': [
    {},
    /^--dataset mnits: no such file, nor one of .*; did you mean mnist\?$/,
    ...['--dataset', 'mnits'],
  ],
  'a module that throws': [
    { 'export const open': "throw new Error('no licence\\nhere');\nexport const open" },
    /^m\d+\.mjs: cannot be imported: no licence$/,
  ],
  'a module that is no JavaScript': [
    { 'export const task = {': 'export const task = {{' },
    /^m\d+\.mjs: cannot be imported: /,
  ],
  'a module without a task': [
    { 'export const task': 'const task' },
    /^m\d+\.mjs: expected its export task to be a task \{ fields, predict, loss, metrics \}, or a function that returns one; got nothing of that name$/,
  ],
  'a function of a task that throws': [
    { 'export const task = {': 'export default () => { throw new Error("no weights"); };\nconst task = {' },
    /^m\d+\.mjs: task: no weights$/,
  ],
  'a module without a dataset': [
    { 'export const open': 'const open' },
    /^dataset m\d+\.mjs: expected the module to export a function `open` that gives a dataset, or a dataset; got undefined$/,
  ],
  'a dataset that does not open': [
    { 'export const open = () => ({': "export const open = () => ({ ...JSON.parse('no'), " },
    /^dataset m\d+\.mjs: open: Unexpected token/,
  ],
};
for (const [what, [changes, line, ...flags]] of Object.entries(MODULES)) {
  test.serial(`one line: ${what}`, async (t) => {
    const said = await refused(t, changes, ...flags);
    t.regex(said, line);
    t.true(said.length < 300, said);
  });
}

test.serial('one line: a module that is not there, and one without --model', async (t) => {
  t.is(
    await refusal(t, train, '--model', 'none.js'),
    '--model none.js: no such file; expected a module that exports task',
  );
  t.is(
    await refusal(t, train, '--dataset', 'mnist'),
    '--dataset: a graph names its dataset itself; give --dataset with --model only',
  );
});

test.serial('one line: a metric that divides by zero', async (t) => {
  project.write(
    'zero.mjs',
    ownModule({
      'og.meanAbsoluteError()':
        "{ sums: ({ output }, { y }) => ({ n: og.reduceSum(og.mul(y, 0)) }), finish: ({ n }) => n[0] / n[0], better: 'lower' }",
    }),
  );
  const line = await refusal(
    t,
    train,
    '--model',
    'zero.mjs',
    '--batch-size',
    '16',
    '--epochs',
    '1',
    '--threads',
    '1',
    '--out',
    'zero',
  );
  t.regex(line, /^metric mae: expected a number, got NaN: it divides by zero, of sums n 0; /);
});

test('one line: TypeScript where node does not run it', (t) => {
  t.regex(
    importProblem(new TypeError('Unknown file extension ".ts" for /home/me/my-model.ts')),
    /^node itself runs TypeScript from version 22\.18 on; install tsx and set NODE_OPTIONS=--import=tsx, or compile it$/,
  );
});
