/** Tables: how cells become numbers, and what is said of those that cannot. */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Dataset, DatasetSource, Json, Split } from '../../src/data/dataset.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { folder, userError } from './_files.ts';

const COLUMNS: Readonly<Record<string, Json>> = {
  columns: {
    age: { type: 'number', missing: 'mean' },
    size: { type: 'number' },
    colour: { type: 'category', missing: 'own' },
    shape: { type: 'category', values: ['round', 'square'] },
  },
  target: { type: 'number', column: 'price' },
};
const TRAIN = `id,price,age,size,colour,shape
1,10,1,5,red,round
2,20,,7,blue,square
3,30,3,9,NA,round
4,60,8,11,red,square
`;
const TEST = `shape,colour,size,age,price,id
round,?,8,NA,30,5
`;

function table(
  t: ExecutionContext,
  {
    train = TRAIN,
    test: tests = TEST,
    columns = COLUMNS,
  }: { train?: string; test?: string; columns?: Json } = {},
): DatasetSource {
  const files = { 'train.csv': train, 'test.csv': tests, 'columns.json': JSON.stringify(columns) };
  const dir = folder(
    t,
    Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])),
  );
  return { dataset: 'table', dir };
}

function rows({ length, read }: Split, { fields }: Dataset): { x: number[][]; y: number[] } {
  const features = fields.x?.shape[0] ?? 0;
  const target = fields.labels ? { labels: new Int32Array(length) } : { y: new Float32Array(length) };
  const out = { x: new Float32Array(length * features), ...target };
  for (let i = 0; i < length; i++) read(i, out, i);
  const y = 'labels' in out ? out.labels : out.y;
  return {
    x: Array.from({ length }, (_, i) => [...out.x.subarray(i * features, (i + 1) * features)]),
    y: [...y],
  };
}

test('numbers are standardised, categories one-hot, missing values as the columns say', async (t) => {
  const source = table(t);
  const dataset = await openDataset(source);
  t.deepEqual(dataset.fields, {
    x: { dtype: 'float32', shape: [8] },
    y: { dtype: 'float32', shape: [] },
  });
  t.deepEqual(dataset.about.features, [
    'age',
    'age missing',
    'size',
    'colour=blue',
    'colour=red',
    'colour missing',
    'shape=round',
    'shape=square',
  ]);
  // age 1, 3, 8: mean 4, variance (9 + 1 + 16) / 3; size 5, 7, 9, 11: mean 8, variance 5; price: mean 30, variance 350.
  const f = Math.fround;
  const [age, size, price] = [Math.sqrt(26 / 3), Math.sqrt(5), Math.sqrt(350)];
  t.deepEqual(rows(dataset.train, dataset), {
    x: [
      [f(-3 / age), 0, f(-3 / size), 0, 1, 0, 1, 0],
      [0, 1, f(-1 / size), 1, 0, 0, 0, 1],
      [f(-1 / age), 0, f(1 / size), 0, 0, 1, 1, 0],
      [f(4 / age), 0, f(3 / size), 0, 1, 0, 0, 1],
    ],
    y: [f(-20 / price), f(-10 / price), 0, f(30 / price)],
  });
  // By the training rows' statistics, and by the names in its own header.
  t.deepEqual(rows(dataset.test, dataset), { x: [[0, 1, 0, 0, 0, 1, 1, 0]], y: [0] });
  t.deepEqual(dataset.about.target, { column: 'price', type: 'number', mean: 30, std: price });
  t.is(dataset.found, `found 4 training rows and 1 test row in ${source.dir}: 8 features`);
  t.is(dataset.bytes, 4 * (8 + 1) * 5);
});

test('a target may stay as it is, or be a class', async (t) => {
  const raw = await openDataset(
    table(t, { columns: { ...COLUMNS, target: { type: 'number', column: 'price', standardize: false } } }),
  );
  t.deepEqual(rows(raw.train, raw).y, [10, 20, 30, 60]);
  const columns = { columns: { size: { type: 'number' } }, target: { type: 'class', column: 'shape' } };
  const classes = await openDataset({ ...table(t, { columns }), classes: 2 });
  t.deepEqual(classes.fields.labels, { dtype: 'int32', shape: [] });
  t.deepEqual(classes.about.classes, ['round', 'square']);
  t.deepEqual(rows(classes.train, classes).y, [0, 1, 0, 1]);
  t.deepEqual([...(classes.train.strata ?? [])], [0, 1, 0, 1]);
  await t.throwsAsync(
    openDataset({ ...table(t, { columns }), classes: 3 }),
    userError(/the graph tells 3 classes apart, but table in .* has 2/),
  );
});

test('rows that are held out are in no statistic, but their values are known', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `${i},${i % 4 === 3 ? 'rare' : 'usual'},${2 * i}`);
  const columns = {
    columns: { n: { type: 'number' }, kind: { type: 'category' } },
    target: { type: 'number', column: 'y', standardize: false },
  };
  const train = `n,kind,y\n${many.join('\n')}\n`;
  const source = table(t, { train, test: 'n,kind,y\n1,usual,1\n', columns });
  const { about, fields, ...dataset } = await openDataset({
    ...source,
    trainFraction: 0.5,
    holdOut: { fraction: 0.25, seed: 3 },
  });
  const { y } = rows(dataset.train, { about, fields, ...dataset });
  t.deepEqual([y.length, dataset.validation?.length], [15, 5]);
  const mean = y.reduce((sum, each) => sum + each / 2, 0) / y.length;
  const { x } = rows(dataset.train, { about, fields, ...dataset });
  t.true(Math.abs(x.reduce((sum, [n = 0]) => sum + n, 0)) < 1e-5);
  t.like(about, { columns: { 0: { name: 'n', mean }, 1: { values: ['rare', 'usual'] } } });
  t.not(mean, 19.5);
});

test('one file is divided the same way in every run, each class in proportion', async (t) => {
  const lines = Array.from({ length: 50 }, (_, i) => `${i},${i % 5 === 0 ? 'a' : 'b'}`);
  const dir = folder(t, {
    'all.csv': Buffer.from(`n,k\n${lines.join('\n')}`),
    'all.json': Buffer.from(
      JSON.stringify({
        columns: { n: { type: 'number' } },
        target: { type: 'class', column: 'k' },
        testShare: 0.1,
      }),
    ),
  });
  const source = { dataset: 'table', dir: join(dir, 'all.csv') };
  const [one, two] = [
    await openDataset(source),
    await openDataset({ ...source, holdOut: { examples: 5, seed: 9 } }),
  ];
  t.deepEqual([one.train.length, one.test.length], [45, 5]);
  t.is(one.test.strata?.filter((label) => label === 0).length, 1);
  t.deepEqual(one.test.strata, two.test.strata);
});

test('quotes, a byte order mark, blank lines and Windows ends of lines are read', async (t) => {
  const columns = {
    columns: { 'a, b': { type: 'category' } },
    target: { type: 'number', column: 'y', standardize: false },
  };
  const train = '\ufeff"a, b",y\r\n"say ""hi""\nthere",1\r\n\r\nplain, 2 \r\n';
  const dataset = await openDataset(table(t, { train, test: 'y,"a, b"\n3,plain', columns }));
  t.deepEqual(dataset.about.features, ['a, b=plain', 'a, b=say "hi"\nthere']);
  t.deepEqual(rows(dataset.train, dataset).y, [1, 2]);
});

const WRONG: Readonly<Record<string, { train?: string; test?: string; columns?: Json; message: RegExp }>> = {
  'a row with too few cells': {
    train: `${TRAIN}5,70,9,12,red\n`,
    message: /train\.csv:6: expected 6 cells, as in the header, got 5$/,
  },
  'a row with too many cells': {
    train: TRAIN.replace('5,red', '5,red,x'),
    message: /train\.csv:2: expected 6 cells, as in the header, got 7$/,
  },
  'a number that is none': {
    train: TRAIN.replace(',7,', ',seven,'),
    message: /train\.csv:3: column size: expected a number, got "seven"$/,
  },
  'a number that is none, in the test rows': {
    test: TEST.replace(',8,', ',1e999,'),
    message: /test\.csv:2: column size: expected a number, got "1e999"$/,
  },
  'a missing number without a policy': {
    train: TRAIN.replace(',7,', ',,'),
    message:
      /train\.csv:3: column size: expected a value, got "", which is a missing one; fill it, or say "missing": "mean" of size$/,
  },
  'an unknown category': {
    test: TEST.replace('round', 'oval'),
    message:
      /test\.csv:2: column shape: expected one of round, square, got "oval"; correct it, or add it to `values`/,
  },
  'a target that is missing': {
    train: TRAIN.replace(',60,', ',NA,'),
    message: /train\.csv:5: column price: expected a number, got "NA"$/,
  },
  'a column that is not there': {
    train: TRAIN.replace('colour', 'color'),
    message: /train\.csv: no column colour; expected one of id, .*; did you mean color\?$/,
  },
  'two columns of one name': {
    train: TRAIN.replace('id', 'age'),
    message: /train\.csv:1: two columns are called age$/,
  },
  'quotes that do not end': {
    train: `${TRAIN}5,"70\n`,
    message: /train\.csv:\d+: not valid CSV: Quote Not Closed/,
  },
  'no rows': {
    train: 'id,price\n',
    message: /train\.csv: expected a header and at least one row, got 1 row$/,
  },
  'a kind of column that is not': {
    columns: { ...COLUMNS, columns: { age: { type: 'text' } } },
    message: /columns\.json: columns\.age\.type: expected .*"number" \| "category".*, got "text"$/,
  },
  'a word that means nothing': {
    columns: { ...COLUMNS, colums: {} },
    message: /columns\.json: colums: unknown field; remove it/,
  },
  'a target among the columns': {
    columns: { ...COLUMNS, target: { type: 'number', column: 'age' } },
    message: /columns: age is the target: expected it in one place only/,
  },
  'no column to read': {
    columns: { ...COLUMNS, columns: {} },
    message: /columns: expected at least one column to read, got none/,
  },
};
for (const [what, { message, ...files }] of Object.entries(WRONG)) {
  test(`${what} is named, with its place`, async (t) => {
    await t.throwsAsync(openDataset(table(t, files)), userError(message));
  });
}

test('a table without a file, or without a description, is an error', async (t) => {
  await t.throwsAsync(openDataset({ dataset: 'table' }), userError(/table: no file was given: pass --data/));
  const dir = folder(t, { 'a.csv': Buffer.from(TRAIN) });
  await t.throwsAsync(
    openDataset({ dataset: 'table', dir: join(dir, 'a.csv') }),
    userError(/table: no .*a\.json: expected a description of the columns there, or in `options`/),
  );
  await t.throwsAsync(
    openDataset({ dataset: 'table', dir: join(dir, 'b.csv') }),
    userError(/b\.csv: no such file or folder; expected the file or folder of table/),
  );
  t.is((await openDataset({ dataset: 'table', dir: join(dir, 'a.csv'), options: COLUMNS })).train.length, 3);
});

test('the diamonds of the package are a table of 26 features', async (t) => {
  const dataset = await openDataset({
    dataset: 'diamonds',
    fields: { x: { dtype: 'float32', shape: [26] }, y: { dtype: 'float32', shape: [] } },
  });
  t.deepEqual([dataset.train.length, dataset.test.length], [43_152, 10_788]);
  // R's `summary(ggplot2::diamonds$price)` gives a mean of 3933 over all 53,940.
  const { x, y } = rows(dataset.test, dataset);
  const { mean = 0, std = 0 } = Object(dataset.about.target);
  const prices = y.map((each) => each * std + mean);
  const total = mean * dataset.train.length + prices.reduce((sum, price) => sum + price, 0);
  t.is(Math.round(total / 53_940), 3933);
  // Each row has one cut, one color and one clarity.
  for (const row of x)
    t.is(
      row.slice(6).reduce((sum, each) => sum + each, 0),
      3,
    );
});
