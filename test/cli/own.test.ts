/** A user's own model and data on the command line: a module with the public API, named by --model and --dataset. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { evaluate } from '../../src/cli/evaluate.ts';
import { exportModel } from '../../src/cli/export.ts';
import { report } from '../../src/cli/report.ts';
import { train } from '../../src/cli/train.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { lastOf, ownModule, ownProject, refusal, said, WAVES } from './_own.ts';

const project = ownProject();
test.after.always(() => project.close());

const FLAGS = ['--epochs', '4', '--batch-size', '16', '--threads', '1', '--lr', '0.01'];
const own = (out: string, ...more: string[]) =>
  said(train, '--model', './my-model.mjs', ...FLAGS, '--out', out, ...more);

test.before(async () => {
  project.write('my-model.mjs', ownModule());
  project.write('waves.mjs', WAVES);
  await own('whole');
});

test.serial(
  'a module is trained, measured, exported and reported; its graphs lie in the project',
  async (t) => {
    t.true(existsSync('graphs/my-model/loss-grad.onnx'));
    const log = readFileSync('whole/metrics.jsonl', 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const losses = log.filter(({ split }) => split === 'train').map(({ loss }) => loss);
    t.is(losses.length, 16);
    t.true(losses.at(-1) < losses[0], `${losses}`);

    const measured = await said(evaluate, 'whole', '--model', 'my-model.mjs');
    t.regex(measured, /^20 test examples: loss 0\.\d+, MAE 0\.\d+/i);
    await said(exportModel, 'whole', '--model', 'my-model.mjs', '--out', 'own.onnx');
    const session = await createSession(readFileSync('own.onnx'), { device: 'cpu', threads: 1 });
    const { output } = await session.run({
      x: { dtype: 'float32', shape: [3, 2], data: new Float32Array(6) },
    });
    await session.release();
    t.deepEqual(output?.shape, [3]);
    t.false((await said(report, 'whole', '--model', 'my-model.mjs')).includes('leaves out'));
  },
);

test.serial('a checkpoint imports no code: its module must be named', async (t) => {
  const file = 'whole/checkpoints/step-000016/checkpoint.json';
  const module = path.resolve('my-model.mjs');
  const asked = `${file}: its task is in the module ${module}, which a checkpoint does not import by itself; give --model ${module}`;
  t.is((await refusal(t, evaluate, 'whole')).replace(`${process.cwd()}/whole`, 'whole'), asked);
  t.is((await refusal(t, exportModel, 'whole')).replace(`${process.cwd()}/whole`, 'whole'), asked);
  t.true((await said(report, 'whole')).includes('the report leaves out the test set: '));
});

test.serial('stopped and resumed it equals one that was not, also with its module elsewhere', async (t) => {
  await own('part', '--max-steps', '6', '--dataset', './waves.mjs');
  project.write('moved.mjs', ownModule());
  await said(train, '--resume', 'part', '--max-steps', '9');
  await said(train, '--resume', 'part', '--max-steps', '0', '--model', 'moved.mjs', '--dataset', 'moved.mjs');
  t.deepEqual(lastOf('part'), lastOf('whole'));
});

const CHANGED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  width: { 'x, 8': 'x, 9' },
  loss: { 'og.mse(output, y)': 'og.mae(output, y)' },
  'a factor': { 'og.mse(output, y)': 'og.mul(og.mse(output, y), 1.5)' },
  'what evaluation does': { 'hidden, 1)': 'scope.training ? hidden : og.mul(hidden, 2), 1)' },
  metric: { meanAbsoluteError: 'rootMeanSquaredError' },
};
test.serial('a module that computes something else is refused on --resume', async (t) => {
  await own('stopped', '--max-steps', '1', '--dataset', './waves.mjs');
  for (const [i, [what, changes]] of Object.entries(CHANGED).entries()) {
    project.write(`changed-${i}.mjs`, ownModule(changes));
    t.is(
      await refusal(t, train, '--resume', 'stopped', '--max-steps', '0', '--model', `changed-${i}.mjs`),
      `${path.resolve(`changed-${i}.mjs`)}: its task computes something else than when the run began: fields, variables, outputs, loss or metrics differ; restore it, or begin a new run (--init-from takes the weights of this one)`,
      what,
    );
  }
});

test.serial('graphs of a module that changed are written anew, also where only a metric did', async (t) => {
  const flags = [...FLAGS, '--max-steps', '1'];
  const graphs = async (module: string, out: string): Promise<readonly Buffer[]> => {
    await said(train, '--model', `${module}/same.mjs`, '--dataset', 'waves.mjs', ...flags, '--out', out);
    return ['loss-grad', 'evaluate'].map((name) => readFileSync(`graphs/same/${name}.onnx`));
  };
  for (const name of ['a', 'b']) mkdirSync(name);
  project.write('a/same.mjs', ownModule());
  project.write('b/same.mjs', ownModule({ meanAbsoluteError: 'r2' }));
  const first = await graphs('a', 'same-a');
  const second = await graphs('b', 'same-b');
  t.notDeepEqual(second[1], first[1]);
  t.deepEqual(await graphs('a', 'same-c'), first);
});

test.serial('all of it in a JSON file, whose paths begin at the working folder', async (t) => {
  const config = {
    model: './my-model.mjs',
    epochs: 4,
    batchSize: 16,
    threads: 1,
    learningRate: 0.01,
    out: 'from-json',
  };
  project.write('my.json', JSON.stringify(config));
  await said(train, '--config', 'my.json');
  t.deepEqual(lastOf('from-json'), lastOf('whole'));
});

test.serial('a dataset by name and one of another module go with a model', async (t) => {
  await said(train, '--model', 'my-model.mjs', '--dataset', 'waves.mjs', ...FLAGS, '--out', 'two');
  t.deepEqual(lastOf('two'), lastOf('whole'));
  const classifier = ownModule({
    "x: { dtype: 'float32', shape: [2] }, y: { dtype: 'float32', shape: [] }":
      "images: { dtype: 'float32', shape: [1, 28, 28] }, labels: { dtype: 'int32', shape: [] }",
    'predict(scope, { x }) {':
      'predict(scope, { images }) { const x = og.reshape(images, [images.shape[0], 784]);',
    'hidden, 1)': 'hidden, 10)',
    'out.shape.slice(0, 1)': '[out.shape[0], 10]',
    '({ output }, { y }) => og.mse(output, y)': '({ output }, { labels }) => og.crossEntropy(output, labels)',
    'og.meanAbsoluteError()': "og.accuracy({ logits: 'output' })",
    'mae:': 'top1:',
  });
  project.write('digits.mjs', classifier);
  const flags = ['--epochs', '1', '--max-steps', '2', '--train-fraction', '0.02', '--warmup-epochs', '0'];
  await said(train, '--model', 'digits.mjs', '--dataset', 'mnist', ...flags, '--out', 'digits');
  t.regex(await said(evaluate, 'digits', '--model', 'digits.mjs'), /^[\d,]+ test images: loss /);
});
