/** Arrays in memory as a dataset, and batches of it without a worker. */
import test from 'ava';
import { type Arrays, type ArraysOptions, arraysDataset } from '../../src/data/arrays.ts';
import { batchesOf, epochOrder } from '../../src/data/batches.ts';
import { collectExamples } from '../../src/data/collect.ts';
import { datasetInUse } from '../../src/data/subset.ts';
import { UserError } from '../../src/errors.ts';

const x = { data: Float32Array.from({ length: 20 }, (_, i) => i / 2), shape: [10, 2] };
const y = Int32Array.from({ length: 10 }, (_, i) => i % 2);

test('dtypes and shapes are those of the arrays', (t) => {
  const { fields, bytes, train, found } = arraysDataset({
    x,
    y,
    id: BigInt64Array.from({ length: 10 }, (_, i) => BigInt(i)),
    pixel: { data: new Uint8Array(40), shape: [10, 2, 2] },
    plain: Array.from({ length: 10 }, (_, i) => i / 3),
    double: new Float64Array(10),
  });
  t.deepEqual(fields, {
    x: { dtype: 'float32', shape: [2] },
    y: { dtype: 'int32', shape: [] },
    id: { dtype: 'int64', shape: [] },
    pixel: { dtype: 'uint8', shape: [2, 2] },
    plain: { dtype: 'float32', shape: [1] },
    double: { dtype: 'float32', shape: [1] },
  });
  t.is(bytes, 80 + 40 + 80 + 40 + 40 + 40);
  t.is(train.length, 10);
  t.is(found, '10 examples in memory');
});

test('batches are gathered in the order of the epoch, every field at its place', async (t) => {
  const id = BigInt64Array.from({ length: 10 }, (_, i) => BigInt(-i));
  const { fields, train } = arraysDataset({ x, y, id });
  const batches = batchesOf(fields, train, {
    batchSize: 4,
    seed: 5,
    shuffle: true,
    augment: true,
    dropLast: false,
  });
  const order = epochOrder(10, 5, 3, true);
  const batch = await batches.batch(3, 2);
  t.deepEqual([...batch.indices], [...order.slice(8)]);
  t.is(batch.examples, 2);
  t.deepEqual(
    [...(batch.fields.x ?? [])],
    [...order.slice(8)].flatMap((i) => [i, i + 0.5]),
  );
  t.deepEqual(
    [...(batch.fields.y ?? [])],
    [...order.slice(8)].map((i) => i % 2),
  );
  t.deepEqual(
    [...(batch.fields.id ?? [])],
    [...order.slice(8)].map((i) => BigInt(-i)),
  );
});

test('fields say what ordinary arrays are', (t) => {
  const wanted = {
    labels: { dtype: 'int32', shape: [] },
    mask: { dtype: 'bool', shape: [2] },
    id: { dtype: 'int64', shape: [] },
    byte: { dtype: 'uint8', shape: [] },
  } as const;
  const arrays = { labels: [2, 0, 1], mask: [1, 0, 0, 1, 1, 1], id: [1, 2, 3], byte: [255, 0, 1] };
  const { fields, train } = arraysDataset(arrays, { fields: wanted });
  t.deepEqual(fields, wanted);
  const out = {
    labels: new Int32Array(2),
    mask: new Uint8Array(4),
    id: new BigInt64Array(2),
    byte: new Uint8Array(2),
  };
  train.read(2, out, 1);
  t.deepEqual([out.labels[1], [...out.mask], out.id[1], out.byte[1]], [1, [0, 0, 1, 1], 3n, 1]);
});

test('examples are held out by strata where they are named, and plainly at random otherwise', (t) => {
  const labels = Int32Array.from({ length: 100 }, (_, i) => (i < 80 ? 0 : 1));
  const how = { trainFraction: 0.5, holdOut: { fraction: 0.2, seed: 1 } };
  const stratified = datasetInUse(arraysDataset({ labels }, { strata: 'labels' }), how);
  t.deepEqual([stratified.train.length, stratified.validation?.length], [40, 10]);
  t.is(stratified.validation?.strata?.filter((label) => label === 1).length, 2);
  const plain = datasetInUse(arraysDataset({ labels }), how);
  t.deepEqual([plain.train.length, plain.validation?.length], [40, 10]);
  t.is(plain.validation?.strata, undefined);
  const numbers = (split = plain.train) =>
    Array.from({ length: split.length }, (_, i) => {
      const out = { id: new Int32Array(1) };
      split.read(i, out, 0);
      return out.id[0] ?? -1;
    });
  const id = Int32Array.from({ length: 100 }, (_, i) => i);
  const [a, b] = [1, 2].map((seed) =>
    datasetInUse(arraysDataset({ id }), { holdOut: { examples: 30, seed } }),
  );
  t.deepEqual(
    [...numbers(a?.train), ...numbers(a?.validation)].sort((m, n) => m - n),
    [...id],
  );
  t.notDeepEqual(numbers(a?.validation), numbers(b?.validation));
});

test('arrays of one’s own to test with have the same fields', (t) => {
  const { test: held, found } = arraysDataset(
    { x, y },
    { test: { x: { data: [1, 2], shape: [1, 2] }, y: [1] } },
  );
  t.is(held.length, 1);
  t.is(found, '10 examples in memory, 1 to test');
});

test('nested lists have the shape of their nesting', (t) => {
  const nested = [
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
  ];
  const { fields, train } = arraysDataset({ nested });
  t.deepEqual(fields.nested, { dtype: 'float32', shape: [2, 3] });
  const out = { nested: new Float32Array(6) };
  train.read(0, out, 0);
  t.deepEqual([...out.nested], [1, 2, 3, 4, 5, 6]);
});

test('examples that come one after another are collected', async (t) => {
  const wanted = {
    x: { dtype: 'float32', shape: [2] },
    id: { dtype: 'int64', shape: [] },
    label: { dtype: 'uint8', shape: [] },
  } as const;
  async function* examples() {
    for (let i = 0; i < 150; i++) yield { x: [i, -i], id: BigInt(i), label: i };
  }
  const { train } = arraysDataset(await collectExamples(examples(), wanted), { fields: wanted });
  t.is(train.length, 150);
  const out = { x: new Float32Array(2), id: new BigInt64Array(1), label: new Uint8Array(1) };
  train.read(149, out, 0);
  t.deepEqual([[...out.x], out.id[0], out.label[0]], [[149, -149], 149n, 149]);
  const good = { x: [0, 0], id: 1, label: 2 };
  for (const [wrong, message] of [
    [{ x: [1, 2], id: 3 }, 'example 1: label: expected a value, got none'],
    [{ ...good, x: [1] }, 'example 1: x: expected 2 numbers, got 1'],
    [{ ...good, x: [1, Number.NaN] }, 'example 1: x: expected a number, got NaN'],
    [{ ...good, label: 256 }, 'example 1: label: expected an integer that fits its dtype, got 256'],
    [{ ...good, label: 0.5 }, 'example 1: label: expected an integer, got 0.5'],
    [{ ...good, id: 0.5 }, 'example 1: id: expected an integer, got 0.5'],
  ] as const) {
    await t.throwsAsync(collectExamples([good, wrong], wanted), { instanceOf: UserError, message });
  }
  await t.throwsAsync(collectExamples([], wanted), { message: 'examples: expected at least one, got none' });
});

const long = { dtype: 'int32', shape: [3] } as const;
const WRONG: Readonly<Record<string, [Arrays, ArraysOptions?]>> = {
  'data: x has 10 examples and y has 9; expected a value of every field for each example': [
    { x, y: y.slice(1) },
  ],
  'data: expected arrays by the names of their fields, got {}': [{}],
  'data: expected at least one example, got none': [{ y: new Int32Array() }],
  'data: x: shape [10,3] holds 30 elements, got 20': [{ x: { ...x, shape: [10, 3] } }],
  'data: x: shape: expected integers, the number of examples first, got []': [{ x: { ...x, shape: [] } }],
  'data: expected no fields but y, got "z"; did you mean y?': [
    { y, z: y },
    { fields: { y: { dtype: 'int32', shape: [] } } },
  ],
  'data: expected the field z, got y': [{ y }, { fields: { y: { dtype: 'int32', shape: [] }, z: long } }],
  'data: x: expected int32 [batch, 2], as in fields, got float32 [batch, 2]': [
    { x },
    { fields: { x: { dtype: 'int32', shape: [2] } } },
  ],
  'data: y: expected int32 [batch, 3], as in fields, got int32 [batch, 2]': [
    { y: { data: y, shape: [5, 2] } },
    { fields: { y: long } },
  ],
  'data: y: expected int32 [batch, 3], as in fields, got int32 [batch]': [{ y }, { fields: { y: long } }],
  'data: y: example 1: expected numbers of int32, got 0.5': [
    { y: [1, 0.5] },
    { fields: { y: { dtype: 'int32', shape: [] } } },
  ],
  'data: x[1]: expected a list of 2, as in the first example, got a list of 1': [{ x: [[1, 2], [3]] }],
  'data: x[1]: expected a list of 2, as in the first example, got 3': [{ x: [[1, 2], 3] }],
  'data: x[0][1]: expected a number, as in the first example, got a list of 1': [{ x: [[1, [2]]] }],
  'data: y: example 0: expected finite numbers, got NaN; leave such examples out, or fill them in': [
    { y: [Number.NaN] },
  ],
  'data: y: example 0: expected numbers of bool, got 2': [
    { y: [2] },
    { fields: { y: { dtype: 'bool', shape: [] } } },
  ],
  'test: y: expected int32 [batch], as in data, got float32 [batch, 1]': [
    { y },
    { test: { y: new Float32Array(1) } },
  ],
  'strata: expected the name of an int32 field of shape [], got "x"': [{ x, y }, { strata: 'x' }],
  'strata: expected the name of an int32 field of shape [], got "z"': [{ x, y }, { strata: 'z' }],
};
for (const [message, args] of Object.entries(WRONG)) {
  test(message, (t) => {
    t.throws(() => arraysDataset(...args), { instanceOf: UserError, message });
  });
}

test('what is no array is named', (t) => {
  t.throws(() => Reflect.apply(arraysDataset, undefined, [{ x: { data: 'abc' } }]), {
    instanceOf: UserError,
    message: /^data: x: expected a typed array, a list of numbers or \{data, shape\}, got /,
  });
  t.throws(() => Reflect.apply(arraysDataset, undefined, [{ x: [1, '2'] }]), {
    message: 'data: x: example 1: expected a number, got "2"',
  });
});
