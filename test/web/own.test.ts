/** What the page for an ONNX file of one's own makes of files and choices, in node: all of it but the browser. */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { readModel } from '../../src/import/onnx-model.ts';
import { DATA_TYPES } from '../../src/onnx/encoding.ts';
import { createResidentSession, createSession } from '../../src/runtime/ort.node.ts';
import { cardOf, inputsOf, openFile } from '../../src/web/own/file.ts';
import type { Choices, PickedFile } from '../../src/web/own/messages.ts';
import { listPictures, partsOfPictures } from '../../src/web/own/pictures.ts';
import { planModel } from '../../src/web/own/plan.ts';
import { aboutTexts, readTexts, type TextFile } from '../../src/web/own/texts.ts';
import { openOwnTraining } from '../../src/web/own/training.ts';
import type { Backend } from '../../src/web/train/backend.ts';
import { file, info, node, tensor } from '../import/_files.ts';
import { grid, onnxFile } from '../import/_onnx-file.ts';
import { labelledLines, pictureModel, textModel } from './_own-files.ts';

const bytesIn = (name: string, bytes: Uint8Array) => [{ path: name, bytes }];
const CHOICES: Choices = {
  ...{ dims: {}, output: 'logits', loss: 'cross-entropy', what: 'all', pattern: '', rank: 2, newHead: true },
  ...{ normalization: 'unit', order: 'rgb', tokens: 'bytes', heldOut: 0.25 },
};
const message = (of: () => unknown): string => {
  try {
    of();
    return '';
  } catch (error) {
    return error instanceof UserError ? error.message : `no UserError: ${String(error)}`;
  }
};
const picked = (...paths: string[]): PickedFile[] =>
  paths.map((path) => ({ path, file: new File([], path, { type: 'image/png' }) }));

test('weights in a file beside the model are read from it; without that file, the page asks for it', (t) => {
  const numbers = grid([4, 2]).data;
  const w = { ...tensor('w', [4, 2], numbers), rawData: new Uint8Array(), dataLocation: 1 };
  const entries = { location: 'w.bin', offset: '4', length: String(numbers.byteLength) };
  const model = file({
    inputs: [info('x', ['batch', 4])],
    initializers: [{ ...w, externalData: Object.entries(entries).map(([key, value]) => ({ key, value })) }],
    nodes: [node('MatMul', ['x', 'w'], 'y')],
    outputs: [info('y', ['batch', 2])],
  });
  const files = bytesIn('m.onnx', model);
  t.regex(
    message(() => openFile(files)),
    /^m\.onnx: .*w\.bin: drop that file together with the \.onnx file$/,
  );
  const beside = new Uint8Array(4 + numbers.byteLength);
  beside.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), 4);
  const { source } = openFile([...files, { path: 'w.bin', bytes: beside }]);
  t.deepEqual(Uint8Array.from(source.initializers.get('w')?.rawData ?? []), beside.slice(4));
  t.is(source.initializers.get('w')?.dataType, DATA_TYPES.float32);
  t.regex(
    message(() => inputsOf(source, {})),
    /reads pictures and texts, .* x \[batch, 4\] wants; .* npx ortgrad artifacts$/,
  );
  t.regex(
    message(() => openFile(bytesIn('m.txt', model))),
    /ends in \.onnx, got m\.txt$/,
  );
});

test('choices say what trains; those that do not fit are refused in the words of the page', async (t) => {
  const own = openFile(bytesIn('colours.onnx', pictureModel()));
  const trained = async (choices: Partial<Choices>) => {
    const { model } = await planModel(own, { ...CHOICES, ...choices }, 3);
    return model.variables.filter(({ role }) => role === 'trainable').map(({ path }) => path);
  };
  t.deepEqual(await trained({ what: 'head' }), ['fc.weight', 'fc.bias']);
  t.deepEqual(await trained({}), ['conv.weight', 'conv.bias', 'fc.weight', 'fc.bias']);
  t.deepEqual(await trained({ what: 'pattern', pattern: 'conv.bias' }), [
    'conv.bias',
    'fc.weight',
    'fc.bias',
  ]);
  t.deepEqual(await trained({ what: 'lora', pattern: 'conv' }), [
    ...['fc.weight', 'fc.bias', 'conv.weight/lora_A', 'conv.weight/lora_B'],
  ]);
  for (const [choices, refusal] of [
    [
      { newHead: false },
      /^colours\.onnx tells 10 classes apart, and the data have 3: choose a new last layer$/,
    ],
    [{ what: 'pattern', pattern: '(' }, /^pattern: expected a regular expression, got "\(": Invalid/],
    [{ what: 'head', loss: 'bce' }, /^a new head has a class for each/],
  ] as const) {
    await t.throwsAsync(trained(choices), { instanceOf: UserError, message: refusal });
  }
});

test('folders are classes; train beside val says what is held out', (t) => {
  const plain = listPictures([...picked('p/cat/2.png', 'p/cat/1.png', 'p/dog/1.png', 'p/dog/2.png')]);
  t.deepEqual(plain.classes, ['cat', 'dog']);
  t.deepEqual(
    partsOfPictures(plain, 0.5).map((part) => part.length),
    [2, 2],
  );
  const split = listPictures(picked('p/train/cat/1.png', 'p/train/dog/1.png', 'p/val/cat/2.png'));
  t.deepEqual(
    partsOfPictures(split, 0.5).map((part) => part.map(({ path }) => path)),
    [['p/train/cat/1.png', 'p/train/dog/1.png'], ['p/val/cat/2.png']],
  );
  t.regex(
    message(() => listPictures(picked('1.png'))),
    /^1\.png: expected each picture in a folder of its class/,
  );
});

test('on a device it takes the steps that it takes on the processor', async (t) => {
  const own = openFile(bytesIn('letters.onnx', textModel()));
  const choices = { ...CHOICES, newHead: false, dims: { sequence: 16 } };
  const planned = await planModel(own, choices, 2);
  const lines: TextFile = { kind: 'texts', name: 'letters.txt', content: labelledLines(24) };
  const { train, test: held } = readTexts(lines, { ...choices, vocabulary: 258, length: 16 });
  const cpu = { device: 'cpu', threads: 1 } as const;
  const backend: Backend = { load: (graph) => createSession(graph, cpu) };
  const device: Backend = { ...backend, open: (step, next) => createResidentSession(step, cpu, next) };
  const settings = {
    epochs: 2,
    batchSize: 6,
    gr: 'exact',
    learningRate: 0.01,
    warmupEpochs: 0,
    grWarmup: 'none',
  };
  const steps = async (on: Backend): Promise<readonly number[]> => {
    const run = await openOwnTraining(
      settings,
      'letters',
      planned,
      { train, held, things: 'texts' },
      on,
      () => {},
    );
    while (run.step() < run.lastStep) await run.advance();
    const { pieces } = await run.tuned();
    await run.release();
    t.is(readModel(pieces[0] ?? new Uint8Array()).initializers.size, own.source.initializers.size);
    await t.throwsAsync(run.adapters(), { message: /trained no adapters/ });
    return run.metrics().map(({ loss }) => loss ?? Number.NaN);
  };
  const [here, there] = [await steps(backend), await steps(device)];
  t.is(here.length, 8); // 6 steps, and a measurement after each epoch
  t.true((here.at(-1) ?? 1) < (here[0] ?? 0));
  t.true(
    here.every((loss, i) => Math.abs(loss - (there[i] ?? Number.NaN)) < 1e-4),
    `${here} and ${there}`,
  );
});

test('a text is lines with labels, lines of JSON, or pieces for a language model', async (t) => {
  const of = (name: string, content: string): TextFile => ({ kind: 'texts', name, content });
  const how = { loss: 'cross-entropy', tokens: 'bytes', heldOut: 0.5, vocabulary: 258, length: 4 } as const;
  const lines = of('t.tsv', 'a\tone\nb\ttwo\na\tsix\nb\tten\n');
  t.deepEqual(aboutTexts(lines).classes, [
    ['a', 2],
    ['b', 2],
  ]);
  t.deepEqual(readTexts(lines, how).about.classes, ['a', 'b']);
  const given = of('t.jsonl', '{"tokens": [2, 3], "label": "x"}\n{"tokens": [4], "label": "y"}\n'.repeat(2));
  t.is(readTexts(given, { ...how, tokens: 'given' }).train.length, 2);
  t.regex(
    message(() => readTexts(of('t.txt', 'no tab'), how)),
    /^t\.txt:1: expected a label, a tab and a text/,
  );
  t.regex(
    message(() => readTexts(lines, { ...how, vocabulary: 100 })),
    /^tokens: the model knows 100, and bytes are 258/,
  );

  const language = onnxFile({
    nodes: [
      { op: 'Gather', inputs: ['embed.weight', 'input_ids'], outputs: ['a'] },
      { op: 'MatMul', inputs: ['a', 'out.weight'], outputs: ['logits'] },
    ],
    tensors: { 'embed.weight': grid([258, 4]), 'out.weight': grid([4, 258]) },
    inputs: { 'input_ids:int64': ['batch', 8] },
    outputs: { logits: ['batch', 8, 258] },
  });
  const own = openFile(bytesIn('gpt.onnx', language));
  t.is(cardOf(own).suggested.loss, 'next-token');
  t.is(cardOf(openFile(bytesIn('t.onnx', textModel()))).suggested.loss, 'cross-entropy');
  const { data } = await planModel(own, { ...CHOICES, loss: 'next-token' }, 0);
  t.deepEqual(data.tokens, { dtype: 'int32', shape: [8] });
  const pieces = readTexts(of('book.txt', 'abcdefgh'.repeat(4)), { ...how, loss: 'next-token', length: 8 });
  t.is(pieces.train.length, 2);
  const out = { tokens: new Int32Array(8), labels: new Int32Array(1) };
  await pieces.train.read(0, out, 0);
  t.deepEqual(
    [...out.tokens],
    Array.from('abcdefgh', (letter) => letter.charCodeAt(0) + 2),
  );
});
