/** --freeze, --head-lr-scale, --init-from, --ema and --resume --epochs, from the command to the files. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { evaluate } from '../../src/cli/evaluate.ts';
import { exportModel } from '../../src/cli/export.ts';
import { train } from '../../src/cli/train.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/storage/safetensors.ts';
import { lastOf, ownModule, ownProject, refusal, said, WAVES } from './_own.ts';

const project = ownProject();
test.after.always(() => project.close());

const MODEL = ['--model', './my-model.mjs', '--dataset', './waves.mjs'];
const FLAGS = ['--batch-size', '16', '--threads', '1', '--lr', '0.01'];
const own = (out: string, ...more: string[]) => said(train, ...MODEL, ...FLAGS, '--out', out, ...more);
/** Steps of plain gradient descent from the weights of `begun`. */
const PLAIN = [
  '--optimizer',
  'sgd',
  '--momentum',
  '0',
  '--clip',
  '0',
  '--gr',
  'none',
  '--schedule',
  'constant',
].concat(['--warmup-epochs', '0', '--max-steps', '1', '--init-from', 'begun/last/model.safetensors']);

const tensorsOf = (file: string): Readonly<Record<string, Float32Array>> =>
  Object.fromEntries(
    decodeSafetensors(readFileSync(file), file).tensors.map(({ name, data }) => [
      name,
      Float32Array.from(data, Number),
    ]),
  );
const modelOf = (run: string) => tensorsOf(`${run}/last/model.safetensors`);
/** How far a variable went from where `begun` left it. */
function moved(run: string, path: string): number {
  const begun = modelOf('begun')[path] ?? new Float32Array();
  return Math.hypot(...(modelOf(run)[path] ?? []).map((x, i) => x - (begun[i] ?? Number.NaN)));
}

test.before(async () => {
  project.write('my-model.mjs', ownModule());
  project.write('waves.mjs', WAVES);
  await own('begun', '--epochs', '2');
});

test.serial('--head-lr-scale scales the step of the head, and of nothing else', async (t) => {
  await own('plain', ...PLAIN);
  await own('scaled', ...PLAIN, '--head-lr-scale', '10');
  for (const path of ['head/kernel', 'head/bias']) {
    const ratio = moved('scaled', path) / moved('plain', path);
    t.true(Math.abs(ratio - 10) < 1e-3, `${path} ${ratio}`);
  }
  t.true(moved('plain', 'hidden/kernel') > 0);
  t.deepEqual(modelOf('scaled')['hidden/kernel'], modelOf('plain')['hidden/kernel']);
});

test.serial('--freeze leaves what it finds as it was, saves it once, and is resumed', async (t) => {
  const freeze = [
    ...['--epochs', '4', '--freeze', '^hidden/'],
    '--init-from',
    'begun/last/model.safetensors',
  ];
  await own('frozen', ...freeze);
  const frozen = tensorsOf('frozen/frozen.safetensors');
  t.deepEqual(Object.keys(frozen).sort(), ['hidden/bias', 'hidden/kernel']);
  t.deepEqual(frozen['hidden/kernel'], modelOf('begun')['hidden/kernel']);
  t.deepEqual(Object.keys(modelOf('frozen')).sort(), ['head/bias', 'head/kernel']);
  t.true(moved('frozen', 'head/kernel') > 0);

  await own('frozen-part', ...freeze, '--max-steps', '6');
  const written = statSync('frozen-part/frozen.safetensors').mtimeMs;
  await said(train, '--resume', 'frozen-part', '--max-steps', '0');
  t.is(statSync('frozen-part/frozen.safetensors').mtimeMs, written);
  t.deepEqual(lastOf('frozen-part'), lastOf('frozen'));
  const text = (run: string) => said(evaluate, run, '--model', 'my-model.mjs');
  t.is(await text('frozen-part'), await text('frozen'));
});

test.serial('--ema is saved, resumed bit by bit, measured and exported beside the weights', async (t) => {
  const flags = ['--epochs', '4', '--ema', '0.9'];
  await own('average', ...flags);
  await own('average-part', ...flags, '--max-steps', '7');
  await said(train, '--resume', 'average-part', '--max-steps', '0');
  t.deepEqual(lastOf('average-part'), lastOf('average'));
  const slots = tensorsOf('average/last/optimizer.safetensors');
  t.true(Object.hasOwn(slots, 'ema/head/kernel'));

  const logged = readFileSync('average/metrics.jsonl', 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = (split: string) => logged.findLast((record) => record.split === split).loss.toFixed(4);
  t.not(last('test_ema'), last('test'));
  const text = (...more: string[]) => said(evaluate, 'average/last', '--model', 'my-model.mjs', ...more);
  t.true((await text()).startsWith(`20 test examples: loss ${last('test')},`));
  t.true((await text('--ema')).startsWith(`20 test examples: loss ${last('test_ema')},`));

  const x = { dtype: 'float32', shape: [1, 2], data: Float32Array.of(0.5, -0.2) } as const;
  const exported = async (...more: string[]) => {
    await said(exportModel, 'average/last', '--model', 'my-model.mjs', '--out', 'm.onnx', ...more);
    const session = await createSession(readFileSync('m.onnx'), { device: 'cpu', threads: 1 });
    const { output } = await session.run({ x });
    await session.release();
    return Number(output?.data[0]);
  };
  t.true(Math.abs((await exported('--ema')) - predicted(slots, 'ema/')) < 1e-6);
  t.true(Math.abs((await exported()) - predicted(modelOf('average'), '')) < 1e-6);
  t.regex(
    await refusal(t, evaluate, 'begun', '--model', 'my-model.mjs', '--ema'),
    /: --ema: it holds no averaged weights; /,
  );
});

/** The model's output for x = (0.5, -0.2), by hand. */
function predicted(weights: Readonly<Record<string, Float32Array>>, prefix: string): number {
  const of = (path: string) => weights[prefix + path] ?? new Float32Array();
  const [kernel, bias, head] = [of('hidden/kernel'), of('hidden/bias'), of('head/kernel')];
  let sum = of('head/bias')[0] ?? Number.NaN;
  for (let i = 0; i < 8; i++) {
    const hidden = 0.5 * (kernel[i] ?? 0) - 0.2 * (kernel[8 + i] ?? 0) + (bias[i] ?? 0);
    sum += Math.tanh(hidden) * (head[i] ?? 0);
  }
  return sum;
}

test.serial(
  '--resume --epochs extends a constant schedule to what a longer run is, and says why not a cosine',
  async (t) => {
    const constant = ['--schedule', 'constant'];
    await own('long', '--epochs', '4', ...constant);
    await own('short', '--epochs', '2', ...constant);
    await said(train, '--resume', 'short', '--epochs', '4');
    t.deepEqual(lastOf('short'), lastOf('long'));
    const records = (run: string) =>
      readFileSync(`${run}/metrics.jsonl`, 'utf8')
        .trim()
        .split('\n')
        .filter((line) => line.includes('"split":"train"'));
    t.is(records('short').length, records('long').length);
    t.regex(
      await refusal(t, train, '--resume', 'begun', '--epochs', '4'),
      /^--epochs: the cosine schedule spans the 2 epochs that the run was begun with, so more epochs would change the steps/,
    );
    t.regex(
      await refusal(t, train, '--resume', 'long', '--epochs', '2'),
      /^--epochs: 2 is fewer than the 4 epochs /,
    );
  },
);

test.serial(
  '--init-from reads half the precision, and refuses what is no weights of the model',
  async (t) => {
    const begun = decodeSafetensors(readFileSync('begun/last/model.safetensors'), '').tensors;
    // The upper halves of float32 are bfloat16.
    const halves = begun.map(({ name, shape, data }) => {
      const bits = new Uint32Array(Float32Array.from(data, Number).buffer);
      return { name, shape, bits: Uint16Array.from(bits, (each) => each >>> 16) };
    });
    let end = 0;
    const entries = halves.map(({ name, shape, bits }) => {
      const begin = end;
      end += bits.byteLength;
      return [name, { dtype: 'BF16', shape, data_offsets: [begin, end] }];
    });
    const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(
      'bf16.safetensors',
      Buffer.concat([length, json, ...halves.map(({ bits }) => Buffer.from(bits.buffer))]),
    );
    const still = [...PLAIN.slice(0, -1), 'bf16.safetensors', '--lr', '1e-30'];
    await said(
      train,
      '--model',
      './my-model.mjs',
      '--batch-size',
      '16',
      '--threads',
      '1',
      '--out',
      'half',
      ...still,
    );
    for (const { name, bits } of halves) {
      const wanted = new Float32Array(Uint32Array.from(bits, (each) => each << 16).buffer);
      t.deepEqual(modelOf('half')[name], wanted, name);
    }

    const from = (file: string) =>
      refusal(t, train, '--model', './my-model.mjs', ...FLAGS, '--out', 'no', '--init-from', file);
    t.is(await from('none.safetensors'), 'none.safetensors: no such file or folder; check the path');
    t.regex(await from('my-model.mjs'), /^my-model\.mjs: not a valid safetensors file: /);
    const other = begun.map((tensor) => ({ ...tensor, name: tensor.name.replace('hidden', 'trunk') }));
    writeFileSync('other.safetensors', Buffer.concat(encodeSafetensors(other)));
    t.regex(await from('other.safetensors'), /^--init-from other\.safetensors: .*hidden\/kernel/);
    t.false(existsSync('no'), 'nothing was begun');
  },
);
