/** Tasks of imported files: which data their inputs get, and what the losses are of. */
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { importModel } from '../../src/import/import-model.ts';
import { identity, input } from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import type { Value } from '../../src/onnx/value.ts';
import { openTrunk } from '../../src/run/trunk.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { guessInputs } from '../../src/tasks/guess-inputs.ts';
import { importFor } from '../../src/tasks/import-for.ts';
import { importedTask } from '../../src/tasks/imported.ts';
import { dataOfInputs, inputValue } from '../../src/tasks/imported-inputs.ts';
import { languageModel } from '../../src/tasks/language-model.ts';
import { traceTask } from '../../src/tasks/trace.ts';
import { grid, onnxFile } from '../import/_onnx-file.ts';

const CPU = { device: 'cpu', threads: 1 } as const;

async function run(
  outputs: Readonly<Record<string, Value>>,
  inputs: readonly Value[],
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, number[]>> {
  const session = await createSession(serialize({ name: 'test', inputs, outputs }), CPU);
  const results = await session.run(feeds);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]),
  );
}

test('inputs of BERT are made of the tokens, those of others are told by type and shape', (t) => {
  const ids = { dtype: 'int64', shape: [8] } as const;
  t.deepEqual(
    guessInputs({ input_ids: ids, attention_mask: ids, token_type_ids: ids, position_ids: ids }, {}),
    {
      dataset: 'text',
      inputs: {
        input_ids: 'tokens',
        attention_mask: 'mask',
        token_type_ids: 'zeros',
        position_ids: 'positions',
      },
    },
  );
  const image = { dtype: 'float32', shape: [3, 8, 8] } as const;
  t.deepEqual(guessInputs({ images: image }, {}), { dataset: 'image-folder', inputs: {} });
  t.deepEqual(guessInputs({ data: { ...image, shape: [8, 8, 3] } }, { dataset: 'imagenet' }), {
    ...{ dataset: 'imagenet', inputs: { data: 'images' }, layout: 'channels-last' },
  });
  t.deepEqual(guessInputs({ features: { dtype: 'float32', shape: [5] } }, {}), {
    ...{ dataset: 'table', inputs: { features: 'x' } },
  });
  t.deepEqual(guessInputs({ data: image, more: ids }, { dataset: './mine.js' }), {
    ...{ dataset: './mine.js', inputs: {} },
  });
  t.throws(() => guessInputs({ data: image, more: ids }, {}), {
    instanceOf: UserError,
    message: /^its inputs are data float32 \[batch, 3, 8, 8\], more int64 \[batch, 8\]: name a dataset/,
  });
});

test('tokens become ids, mask, types and positions; padding is what ends a text', async (t) => {
  const options = {
    inputs: { ids: 'tokens', mask: 'mask', types: 'zeros', all: 'ones', places: 'positions' },
  };
  const field = { dtype: 'int64', shape: [4] } as const;
  const fields = Object.fromEntries(Object.keys(options.inputs).map((name) => [name, field]));
  t.deepEqual(dataOfInputs({ inputs: fields }, options), { tokens: { dtype: 'int32', shape: [4] } });
  const tokens = input('tokens', ['batch', 4], 'int32');
  const values = Object.entries(fields).map(([name, each]) => [
    `to/${name}`,
    inputValue(name, each, { tokens }, options),
  ]);
  const data = Int32Array.of(5, 0, 7, 0, 3, 0, 0, 0);
  const told = await run(Object.fromEntries(values), [tokens], {
    tokens: { dtype: 'int32', shape: [2, 4], data },
  });
  t.deepEqual(told, {
    'to/ids': [5, 0, 7, 0, 3, 0, 0, 0],
    'to/mask': [1, 1, 1, 0, 1, 0, 0, 0],
    'to/types': [0, 0, 0, 0, 0, 0, 0, 0],
    'to/all': [1, 1, 1, 1, 1, 1, 1, 1],
    'to/places': [0, 1, 2, 3, 0, 1, 2, 3],
  });
});

test('pictures are turned to blue first, and to channels last', async (t) => {
  const image = { order: 'bgr', layout: 'channels-last' } as const;
  const field = { dtype: 'float32', shape: [1, 2, 3] } as const;
  const options = { inputs: { data: 'images' }, image };
  t.deepEqual(dataOfInputs({ inputs: { data: field } }, options), {
    images: { dtype: 'float32', shape: [3, 1, 2] },
  });
  const images = input('images', ['batch', 3, 1, 2]);
  const told = await run({ out: inputValue('data', field, { images }, options) }, [images], {
    images: { dtype: 'float32', shape: [1, 3, 1, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  });
  // Red 1 2, green 3 4, blue 5 6.
  t.deepEqual(told, { out: [5, 3, 1, 6, 4, 2] });
});

test('the next token: the mean over all tokens of the batch but the first of each text', async (t) => {
  const task = languageModel({
    fields: {},
    length: 3,
    model: (scope) => identity(scope.param('table', [2, 3, 4], { kind: 'zeros' })),
  });
  const { fields, outputs, terms, variables } = traceTask(task, { batch: 2, training: false });
  const [term] = terms;
  if (!term?.weight) throw new Error('test: expected a weighted term');
  const logits = grid([2, 3, 4], 5);
  const told = await run(
    { total: term.total, weight: term.weight, ...outputs },
    [...Object.values(fields), ...variables.map(({ value }) => value)],
    {
      tokens: { dtype: 'int32', shape: [2, 3], data: Int32Array.of(2, 3, 1, 1, 2, 0) },
      table: { dtype: 'float32', ...logits },
    },
  );
  const loss = (row: number, label: number): number => {
    const values = Array.from(logits.data.subarray(4 * row, 4 * row + 4));
    return Math.log(values.reduce((sum, x) => sum + Math.exp(x), 0)) - (values[label] ?? 0);
  };
  // Of the second text the third place is padding.
  const wanted = loss(0, 3) + loss(1, 1) + loss(3, 2);
  t.deepEqual(told.weight, [3]);
  t.true(Math.abs((told.total?.[0] ?? 0) - wanted) < 1e-5, `${told.total} ${wanted}`);
});

const linear = (outputs: number, last?: string) =>
  onnxFile({
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
      { op: 'MatMul', inputs: ['h', 'v'], outputs: ['y'] },
      ...(last === undefined ? [] : [{ op: last, inputs: ['y'], outputs: ['p'] }]),
    ],
    tensors: { w: grid([4, 5]), v: grid([5, outputs]) },
    inputs: { x: ['batch', 4] },
    outputs: { [last === undefined ? 'y' : 'p']: ['batch', outputs] },
  });

test('losses take logits, and refuse outputs of other shapes', (t) => {
  const softmax = importFor(linear(3, 'Softmax'), { loss: 'cross-entropy' });
  t.deepEqual(softmax.outputs, ['y']);
  t.true(softmax.notes.some((note) => note.includes('p comes of Softmax: the loss takes its logits, y')));
  t.deepEqual(importFor(linear(1, 'Sigmoid'), { loss: 'bce' }).outputs, ['y']);
  t.deepEqual(importFor(linear(1, 'Sigmoid'), { loss: 'mse' }).outputs, ['p']);
  const task = (loss: Parameters<typeof importFor>[1]['loss'], outputs: number) =>
    importedTask(importFor(linear(outputs), { loss }), { loss, sha256: '' });
  t.deepEqual(task('cross-entropy', 3).fields, {
    x: { dtype: 'float32', shape: [4] },
    labels: { dtype: 'int32', shape: [] },
  });
  t.is(task('cross-entropy', 3).classes, 3);
  t.deepEqual(task('mse', 1).fields.y, { dtype: 'float32', shape: [] });
  t.deepEqual(task('mse', 2).fields.y, { dtype: 'float32', shape: [2] });
  t.deepEqual(task('bce', 1).fields.labels, { dtype: 'int32', shape: [] });
  for (const [loss, outputs] of [
    ['cross-entropy', 1],
    ['bce', 2],
    ['next-token', 3],
  ] as const) {
    t.throws(() => task(loss, outputs), {
      instanceOf: UserError,
      message: new RegExp(`^--loss ${loss}: expected an output .*got \\[batch, ${outputs}\\]`),
    });
  }
});

test('a trunk of a fixed batch runs in parts, the last one filled up', async (t) => {
  const file = linear(2);
  const model = importModel(file, { trainable: '^v$' });
  const task = importedTask(model, { loss: 'cross-entropy', sha256: '' });
  t.deepEqual(Object.keys(task.trunk?.fields ?? {}), ['x', 'labels']);
  t.deepEqual(Object.keys(task.fields), ['h', 'labels']);
  const x = grid([5, 4], 3);
  const batch = {
    fields: { x: x.data, labels: new Int32Array(5) },
    ...{ examples: 5, indices: new Uint32Array(5), epoch: 0, step: 0 },
  };
  const whole = await openTrunk(task, CPU);
  const graphs = (task.trunk?.graphs ?? []).map((graph) => ({ ...graph, batch: 2 }));
  const parts = await openTrunk({ ...task, ...(task.trunk && { trunk: { ...task.trunk, graphs } }) }, CPU);
  const [a, b] = [await whole?.fields(batch), await parts?.fields(batch)];
  t.is(a?.fields.h?.length, 25);
  t.deepEqual(b?.fields.h, a?.fields.h);
  t.is(a?.fields.labels, batch.fields.labels);
  await Promise.all([whole?.release(), parts?.release()]);
});
