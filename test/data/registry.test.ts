/** Datasets by their names, and a user's own by the path of its module. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { batchesOf } from '../../src/data/batches.ts';
import { imagesOf } from '../../src/data/images.ts';
import { openLoader } from '../../src/data/loader.node.ts';
import { DATASET_NAMES, DATASETS } from '../../src/data/names.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { placeOf } from '../_node.ts';
import { folder, userError } from './_files.ts';

test('every name has a module that opens it', async (t) => {
  for (const name of DATASET_NAMES) {
    const file = placeOf(`src/data/${DATASETS[name].file}.node.ts`);
    t.is(typeof (await import(file)).open, 'function', name);
  }
});

function module(t: ExecutionContext, text: string): string {
  return join(folder(t, { 'mine.mjs': Buffer.from(text) }), 'mine.mjs');
}

const SPLIT = `(n) => ({ length: n, read(index, out, at, draw) {
  out.x[at] = index;
  out.y[at] = draw ? draw.seed * 100 + draw.epoch * 10 + draw.index : -1;
} })`;
const MINE = `
const split = ${SPLIT};
export const open = async ({ dir, options }) => ({
  name: 'mine', found: 'found ' + dir, about: { options }, bytes: 0,
  fields: { x: { dtype: 'float32', shape: [] }, y: { dtype: 'int32', shape: [] } },
  train: split(6), test: split(2),
});`;

test('a module of one’s own is opened here and in the loader’s thread', async (t) => {
  const dataset = module(t, MINE);
  const here = await openDataset({ dataset, dir: folder(t), options: { a: 1 } });
  t.deepEqual([here.name, here.train.length, here.about], ['mine', 6, { options: { a: 1 } }]);
  const loader = await openLoader({
    source: {
      dataset,
      options: { a: 1 },
      holdOut: { examples: 2, seed: 0 },
      fields: { x: { dtype: 'float32', shape: [] } },
    },
    split: 'train',
    batchSize: 2,
    seed: 4,
    shuffle: true,
    augment: true,
    dropLast: true,
  });
  t.teardown(() => loader.close());
  t.deepEqual(loader.info.about, { options: { a: 1 } });
  t.deepEqual([loader.length, loader.batchesPerEpoch, loader.hasValidation], [4, 2, true]);
  const seen: number[] = [];
  for await (const { fields, indices, epoch } of loader.batches({ epoch: 3 })) {
    t.is(epoch, 3);
    // The draw has the number of the example among those in use; the field has that among all.
    t.deepEqual(
      [...(fields.y ?? [])],
      [...indices].map((index) => 430 + index),
    );
    seen.push(...Array.from(fields.x ?? [], Number));
  }
  t.is(new Set(seen).size, 4);
});

test('a dataset itself, as the default export, will do', async (t) => {
  const dataset = module(
    t,
    `${MINE.replace('export const open', 'const open')}\nexport default await open({});`,
  );
  t.is((await openDataset({ dataset })).test.length, 2);
});

const fields = "fields: { x: { dtype: 'float32', shape: [2] } }";
const rest = "name: 'm', found: '', about: {}, bytes: 0";
const WRONG: Readonly<Record<string, RegExp>> = {
  'export const x = 1;':
    /expected the module to export a function `open` that gives a dataset, or a dataset; got undefined$/,
  'export default () => 3;': /or a dataset; got 3$/,
  'export const open = () => ({});': /: fields: expected \{ name: \{ dtype, shape \} \}, got undefined$/,
  "export default { fields: { x: { dtype: 'float64', shape: [] } } };":
    /: field x: expected a dtype \(float32, int32, int64, uint8, bool\) and a shape of sizes ≥ 1, got \{"dtype":"float64","shape":\[\]\}$/,
  "export default { fields: { x: { dtype: 'int32', shape: [0] } } };": /: field x: expected a dtype/,
  [`export default { ${fields} };`]: /: name: expected a text, got undefined$/,
  [`export default { ${fields}, ${rest}, train: { length: 3 } };`]:
    /: train: expected a split, \{ length, read\(index, out, at\) \}, got \{"length":3\}$/,
  [`const s = { length: 3, read() {} }; export default { ${fields}, ${rest}, train: s, test: { ...s, strata: new Int32Array(2) } };`]:
    /: test: strata: expected an Int32Array of 3, one number for each example$/,
  'throw new Error("no licence\\nhere");': /: cannot be imported: no licence$/,
  'export default (': /: cannot be imported: /,
};
for (const [text, message] of Object.entries(WRONG)) {
  test(`what is no dataset is named: ${text}`, async (t) => {
    await t.throwsAsync(openDataset({ dataset: module(t, text) }), userError(message));
  });
}

test('a module that does not exist, or whose fields do not fit, is an error', async (t) => {
  await t.throwsAsync(
    openDataset({ dataset: './nothing.js' }),
    userError(/^dataset \.\/nothing\.js: no module .*nothing\.js; expected one that exports `open`$/),
  );
  const dataset = module(t, MINE);
  await t.throwsAsync(
    openDataset({ dataset, fields: { z: { dtype: 'float32', shape: [] } } }),
    userError(/^the graph reads a field z, but mine gives x, y: choose a graph and a dataset that fit$/),
  );
  await t.throwsAsync(
    openDataset({ dataset, fields: { x: { dtype: 'int32', shape: [] } } }),
    userError(/^the graph reads x as int32 \[\], but mine gives float32 \[\]: choose/),
  );
});

test('MNIST’s batches keep their bits: shuffled, cropped, of a fraction less what is held out', async (t) => {
  const dataset = await openDataset({
    dataset: 'mnist',
    trainFraction: 0.5,
    holdOut: { fraction: 0.1, seed: 3 },
    augmentation: 'crop-flip',
  });
  const { train, validation = train, test: held } = dataset;
  const hash = createHash('sha256');
  for (const split of [train, validation, held]) {
    const isTraining = split === train;
    const options = { batchSize: 100, seed: 7, shuffle: isTraining, augment: isTraining, dropLast: true };
    const batches = batchesOf(dataset.fields, split, options);
    for (const [epoch, step] of [
      [0, 0],
      [2, 5],
    ] as const) {
      const batch = await batches.batch(epoch, step);
      const { images, labels } = imagesOf(batch);
      for (const { buffer } of [images, labels, batch.indices]) hash.update(new Uint8Array(buffer));
    }
  }
  // Of the reader of images and labels that stood here before datasets gave fields (commit cc9fefb).
  t.is(hash.digest('hex'), '2d89b020ad1e3053fc4e2fa5e2ca71ea1585018f3c06172a382e9920941f26d0');
});
