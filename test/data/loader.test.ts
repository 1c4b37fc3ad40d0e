import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Batch } from '../../src/data/batch.ts';
import { batchesOf } from '../../src/data/batches.ts';
import type { DatasetSource } from '../../src/data/dataset.ts';
import { imageFields } from '../../src/data/images.ts';
import { type LoaderOptions, openLoader } from '../../src/data/loader.node.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { placeOf } from '../_node.ts';
import { cifar10Files, folder, picture, userError } from './_files.ts';

function cifar(t: ExecutionContext, overrides: Partial<LoaderOptions> = {}): LoaderOptions {
  const dir = folder(t, cifar10Files(22));
  return {
    source: { dataset: 'cifar10', dir, classes: 10 },
    split: 'train',
    batchSize: 4,
    seed: 3,
    shuffle: true,
    augment: true,
    dropLast: true,
    ...overrides,
  };
}

async function open(t: ExecutionContext, options: LoaderOptions) {
  const loader = await openLoader(options);
  t.teardown(() => loader.close());
  return loader;
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

for (const prefetch of [0, 1, 10]) {
  test(`batches of the worker are those of this thread, with ${prefetch} ahead`, async (t) => {
    const options = cifar(t, { prefetch });
    const { train, test: _, ...info } = await openDataset(options.source);
    const here = batchesOf(info.fields, train, options);
    const loader = await open(t, options);
    t.deepEqual(loader.info, info);
    t.deepEqual([loader.length, loader.batchesPerEpoch], [22, 5]);
    for (const epoch of [1, 0]) {
      const expected = await Promise.all([0, 1, 2, 3, 4].map((step) => here.batch(epoch, step)));
      t.deepEqual(await collect(loader.batches({ epoch })), expected);
      t.deepEqual(await collect(loader.batches({ epoch, fromBatch: 3 })), expected.slice(3));
    }
    t.deepEqual(await collect(loader.batches({ epoch: 0, fromBatch: 5 })), []);
  });
}

test('without dropLast the last batch is given as it is', async (t) => {
  const loader = await open(t, cifar(t, { dropLast: false, shuffle: false }));
  const sizes = (await collect(loader.batches({ epoch: 0 }))).map(({ examples }) => examples);
  t.deepEqual(sizes, [4, 4, 4, 4, 4, 2]);
});

test('an abandoned epoch does not disturb the next one, nor closing', async (t) => {
  const loader = await openLoader(cifar(t, { prefetch: 3 }));
  const [first] = await collect(loader.batches({ epoch: 2, fromBatch: 4 }));
  for await (const batch of loader.batches({ epoch: 1 })) {
    t.is(batch.step, 0);
    break;
  }
  const [again] = await collect(loader.batches({ epoch: 2, fromBatch: 4 }));
  t.deepEqual(again, first);
  for await (const _ of loader.batches({ epoch: 1 })) break;
  await loader.close();
  await loader.close();
  await t.throwsAsync(collect(loader.batches({ epoch: 1 })), { message: 'the data loader has ended' });
});

test('errors of the worker keep their class and message', async (t) => {
  const { source } = cifar(t);
  await t.throwsAsync(
    openLoader(cifar(t, { source: { ...source, dir: folder(t) } })),
    userError(/cifar10: no training images in/),
  );
  await t.throwsAsync(
    openLoader(cifar(t, { batchSize: 23 })),
    userError(/cifar10: 22 examples in the train split are fewer than one batch of 23: lower the batch size/),
  );
});

test('image folders are checked on opening, and an error while decoding reaches the consumer', async (t) => {
  const whole = await picture(400, 400, { r: 9, g: 9, b: 9 }, 'jpeg');
  const files = { 'train/a/1.jpg': whole, 'val/a/1.jpg': whole };
  const source = (dir: string): DatasetSource => ({
    dataset: 'image-folder',
    dir,
    fields: imageFields({ channels: 3, height: 8, width: 8 }),
    classes: 1,
  });
  const notes = folder(t, { ...files, 'train/a/notes.txt': Uint8Array.of(1) });
  const options = cifar(t, { batchSize: 1, shuffle: false });
  await t.throwsAsync(
    openLoader({ ...options, source: source(notes) }),
    userError(/notes\.txt is not a readable/),
  );

  const cut = folder(t, { ...files, 'train/a/2.jpg': whole.subarray(0, whole.length - 100) });
  const loader = await open(t, { ...options, source: source(cut) });
  const steps: number[] = [];
  await t.throwsAsync(
    async () => {
      for await (const { step } of loader.batches({ epoch: 0 })) steps.push(step);
    },
    userError(/2\.jpg is not a readable image/),
  );
  t.deepEqual(steps, [0]);
});

const ENDINGS = {
  'that forgets to close its loader ends': ['', '4\n'],
  'that closes its loader while batches are on their way goes on then': [
    "await loader.close(); console.log('closed');",
    '4\nclosed\n',
  ],
};
for (const [what, [ending, expected]] of Object.entries(ENDINGS)) {
  test(`a program ${what}`, async (t) => {
    const { source, ...options } = cifar(t, { prefetch: 3 });
    const program = `
    const { openLoader } = await import(${JSON.stringify(placeOf('src/data/loader.node.ts'))});
    const loader = await openLoader(${JSON.stringify({ source, ...options })});
    for await (const batch of loader.batches({ epoch: 0 })) { console.log(batch.examples); break; }
    ${ending}`;
    const script = join(folder(t, { 'program.mjs': Buffer.from(program) }), 'program.mjs');
    const child = spawn(process.execPath, [...process.execArgv, script]);
    t.teardown(() => child.kill());
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    const [code] = await once(child, 'close');
    t.deepEqual([code, output], [0, expected]);
  });
}
