import { join } from 'node:path';
import test from 'ava';
import { open, openCifar } from '../../src/data/cifar.node.ts';
import { cifarRecords, folder, readPixels, userError } from './_files.ts';

test('CIFAR-10 records are read to the bit, from as many files as are there', async (t) => {
  const dir = folder(t, {
    'data_batch_2.bin': cifarRecords([[3], [9]]),
    'data_batch_4.bin': cifarRecords([[0], [5], [7]]),
    'test_batch.bin': cifarRecords([[8]]),
  });
  const { train, test: held, classes, found } = await openCifar('cifar10', dir);
  t.deepEqual([...train.labels], [3, 9, 0, 5, 7]);
  t.deepEqual([...held.labels], [8]);
  t.is(classes[3], 'cat');
  const out = new Uint8Array(2 + 3072);
  await readPixels(train, 4, out, 2); // the third record of data_batch_4.bin
  t.deepEqual([...out.subarray(2)], [...cifarRecords([[0], [5], [7]]).subarray(-3072)]);
  t.is(
    found,
    `found 5 training images (2 of 5 files: data_batch_2.bin, data_batch_4.bin) and 1 test images (test_batch.bin) in ${dir}`,
  );
});

test('CIFAR-100 records carry a coarse and a fine label, of which the fine one is used', async (t) => {
  const dir = folder(t, {
    'cifar-100-binary/train.bin': cifarRecords([
      [11, 19],
      [15, 99],
    ]),
    'cifar-100-binary/test.bin': cifarRecords([[19, 0]]),
  });
  const { train, test: held, classes, found } = await openCifar('cifar100', dir);
  t.deepEqual([...train.labels], [19, 99]);
  t.deepEqual([...held.labels], [0]);
  t.deepEqual([classes.length, new Set(classes).size], [100, 100]);
  t.deepEqual([...classes], [...classes].sort());
  t.deepEqual([classes[0], classes[19], classes[99]], ['apple', 'cattle', 'worm']);
  const out = new Uint8Array(3072);
  await readPixels(train, 1, out, 0);
  t.deepEqual(
    [...out],
    Array.from({ length: 3072 }, (_, p) => (7 + p) % 256),
  );
  t.true(found.endsWith(`(test.bin) in ${join(dir, 'cifar-100-binary')}`));
});

test('channels are normalised with 4 digits, and with the 8 of the authors’ code where these are asked for', async (t) => {
  const dir = folder(t, {
    'data_batch_1.bin': cifarRecords([[3], [9]]),
    'test_batch.bin': cifarRecords([[8]]),
    'train.bin': cifarRecords([[11, 19]]),
    'test.bin': cifarRecords([[19, 0]]),
  });
  for (const [dataset, classes, mean] of [
    ['cifar10', 10, [0.49139968, 0.48215841, 0.44653091]],
    ['cifar100', 100, [0.50707516, 0.48654887, 0.44091784]],
  ] as const) {
    const rounded = await open({ dataset, dir, classes });
    const exact = await open({ dataset, dir, classes, options: { channelStatistics: 'exact' } });
    t.deepEqual(exact.about.mean, mean);
    t.deepEqual(
      rounded.about.mean,
      mean.map((x) => Number(x.toFixed(4))),
    );
    t.notDeepEqual(exact.about.std, rounded.about.std);
    const image = async (of: typeof exact) => {
      const out = { images: new Float32Array(3072), labels: new Int32Array(1) };
      await of.test.read(0, out, 0);
      return out.images;
    };
    const [a, b] = [await image(rounded), await image(exact)];
    const apart = Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? Number.NaN))));
    t.true(apart > 1e-5 && apart < 6e-4, `${dataset}: ${apart}`);
  }
});

const complete = { 'data_batch_1.bin': cifarRecords([[1]]), 'test_batch.bin': cifarRecords([[1]]) };

const WRONG: Record<string, { files: Record<string, Uint8Array>; message: RegExp }> = {
  'no training file': {
    files: { 'test_batch.bin': complete['test_batch.bin'] },
    message: /no training images in .*data_batch_1\.bin, .*data_batch_5\.bin.*cifar-10-batches-bin.*--data/,
  },
  'no test file': {
    files: { 'data_batch_1.bin': complete['data_batch_1.bin'] },
    message: /no test images in .*expected test_batch\.bin/,
  },
  'a size that is no multiple of the record': {
    files: { ...complete, 'data_batch_3.bin': new Uint8Array(5000) },
    message: /data_batch_3\.bin has 5,000 bytes, expected a multiple of 3,073/,
  },
  'an empty file': {
    files: { ...complete, 'test_batch.bin': new Uint8Array(0) },
    message: /test_batch\.bin has 0 bytes, expected a multiple of 3,073/,
  },
  'a label out of range': {
    files: { ...complete, 'data_batch_2.bin': cifarRecords([[1], [10]]) },
    message: /data_batch_2\.bin: the label of record 1 is 10, expected 0 to 9/,
  },
};

for (const [what, { files, message }] of Object.entries(WRONG)) {
  test(`${what} is named`, async (t) => {
    await t.throwsAsync(openCifar('cifar10', folder(t, files)), userError(message));
  });
}

test('no folder, and a folder where a file should be, are named', async (t) => {
  await t.throwsAsync(openCifar('cifar100', undefined), userError(/cifar100: no folder was given.*--data/));
  const dir = folder(t, { ...complete, 'data_batch_2.bin/readme': new Uint8Array(1) });
  await t.throwsAsync(openCifar('cifar10', dir), userError(/cannot read .*data_batch_2\.bin: EISDIR/));
});
