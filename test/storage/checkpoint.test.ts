import test from 'ava';
import fc from 'fast-check';
import { UserError } from '../../src/errors.ts';
import {
  type Checkpoint,
  decodeDocument,
  decodeModel,
  decodeOptimizer,
  encodeDocument,
  encodeTensors,
} from '../../src/storage/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/storage/safetensors.ts';
import { bestAt, checkpointAt } from './_checkpoint.ts';
import { REGRESSION } from './_records.ts';

const SUM = { bytes: 1, sha256: '0'.repeat(64) };
const documentOf = async (checkpoint: Checkpoint): Promise<unknown> =>
  JSON.parse(await encodeDocument(checkpoint, { model: SUM, optimizer: SUM }));

async function roundTrip(checkpoint: Checkpoint): Promise<Checkpoint> {
  const document = await decodeDocument(await documentOf(checkpoint), 'checkpoint.json');
  const { model, optimizer } = encodeTensors(checkpoint);
  return {
    ...decodeModel(document, Buffer.concat(model), 'model.safetensors'),
    optimizer: decodeOptimizer(document, Buffer.concat(optimizer), 'optimizer.safetensors'),
  };
}

test('a checkpoint survives being written and read', async (t) => {
  const checkpoint = checkpointAt(12, bestAt(0.5, 10));
  t.deepEqual(await roundTrip(checkpoint), checkpoint);
});

test('an optimizer without slots, and a model before its first measurement, too', async (t) => {
  const checkpoint = { ...checkpointAt(0), optimizer: { name: 'sgd', slots: {} } };
  t.deepEqual(await roundTrip(checkpoint), checkpoint);
});

test('a best is read as it was written: by a metric, by the loss alone, with a value that was not finite', async (t) => {
  for (const best of [
    { ...bestAt(0.5, 10), loss: 1.5, split: 'validation' as const },
    { metric: 'mae', better: 'lower' as const, value: 0.41, loss: 1.5, step: 10, split: 'test' as const },
    { metric: 'r2', better: 'higher' as const, loss: 1.5, step: 10, split: 'test' as const },
    { loss: 1.5, step: 10, split: 'test' as const },
  ])
    t.deepEqual((await roundTrip(checkpointAt(12, best))).best, best);
});

test('a best of before metrics had names is one of the accuracy, on the test set where it does not say', async (t) => {
  const text = JSON.stringify(await documentOf(checkpointAt(12, bestAt(0.5, 10))));
  const read = async (best: object) => {
    // The oldest files have no digest.
    const old: unknown = JSON.parse(text, (key, value: unknown) =>
      key === 'digest' ? undefined : key === 'best' ? best : value,
    );
    return (await decodeDocument(old, 'checkpoint.json')).best;
  };
  t.deepEqual(await read({ top1: 0.5, step: 10 }), bestAt(0.5, 10));
  t.deepEqual(await read({ top1: 0.5, step: 10, loss: 1.5, split: 'validation' }), {
    ...bestAt(0.5, 10),
    loss: 1.5,
    split: 'validation',
  });
});

test('a checkpoint keeps how its metrics are shown', async (t) => {
  const checkpoint = { ...checkpointAt(12), metrics: REGRESSION };
  t.deepEqual((await roundTrip(checkpoint)).metrics, REGRESSION);
  t.is((await roundTrip(checkpointAt(12))).metrics, undefined);
});

const BROKEN = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

test('numbers that are not finite are not written', (t) => {
  const bias = (value: number) => [{ name: 'head/bias', shape: [3], data: Float32Array.of(1, 3e38, value) }];
  const checkpoint = checkpointAt(12);
  const withSlot = (value: number) => ({
    ...checkpoint,
    optimizer: { name: 'adamw', slots: { mu: bias(0), nu: bias(value) } },
  });
  for (const value of BROKEN) {
    t.throws(() => encodeTensors({ ...checkpoint, parameters: bias(value) }), {
      instanceOf: UserError,
      message: /^step 12 is not saved: parameter head\/bias is not finite; take an earlier checkpoint/,
    });
    t.throws(() => encodeTensors(withSlot(value)), {
      instanceOf: UserError,
      message: /^step 12 is not saved: the optimizer's nu of head\/bias is not finite; /,
    });
  }
  t.notThrows(() => encodeTensors({ ...withSlot(-3e38), parameters: bias(3e38) }));
});

test('a checkpoint of a run that had diverged is refused', async (t) => {
  const document = await decodeDocument(await documentOf(checkpointAt(3)), 'a.json');
  for (const value of BROKEN) {
    const model = [{ name: 'head/bias', shape: [2], data: Float32Array.of(1, value) }];
    t.throws(() => decodeModel(document, Buffer.concat(encodeSafetensors(model)), 'm.safetensors'), {
      instanceOf: UserError,
      message:
        /^m\.safetensors: head\/bias holds numbers that are not finite: training had diverged .*; take an earlier checkpoint, or train again/,
    });
    const slots = [{ name: 'mu/head/bias', shape: [1], data: Float32Array.of(value) }];
    t.throws(() => decodeOptimizer(document, Buffer.concat(encodeSafetensors(slots)), 'o.safetensors'), {
      instanceOf: UserError,
      message: /^o\.safetensors: mu\/head\/bias holds numbers that are not finite/,
    });
  }
});

test('the model file says by itself where it comes from', (t) => {
  const { tensors, metadata } = decodeSafetensors(Buffer.concat(encodeTensors(checkpointAt(12)).model), 'x');
  t.deepEqual(metadata, { producer: 'ortgrad', graph: 'tiny', graph_hash: 'abc', step: '12' });
  t.deepEqual(
    tensors.map(({ name }) => name),
    ['block0/kernel', 'head/bias'],
  );
});

test('only what belongs to the dataset is written of it, not its images', async (t) => {
  const checkpoint = checkpointAt(1);
  const dataset = { ...checkpoint.dataset, train: { labels: new Int32Array(1e3) } };
  t.deepEqual(await documentOf({ ...checkpoint, dataset }), await documentOf(checkpoint));
});

/** What version 1 said of a dataset. */
const OLD_IMAGES = {
  ...{ name: 'mnist', channels: 1, height: 28, width: 28, found: '2 images' },
  ...{ classes: ['0', '1'], mean: [0.13], std: [0.31] },
};

const REFUSED: Record<string, [change: object, message: RegExp]> = {
  'another version': [
    { version: 3 },
    /^a\.json: version: expected .*, got 3; it was written by another version of ortgrad$/,
  ],
  'a step that is none': [{ step: -1 }, /^a\.json: step: expected >=0, got -1$/],
  'a missing part': [{ optimizer: undefined }, /^a\.json: optimizer: missing; this is not a checkpoint$/],
  'a digest that is none': [
    { files: { model: SUM, optimizer: { ...SUM, sha256: 'no' } } },
    /^a\.json: files\.optimizer\.sha256: expected .*, got "no"$/,
  ],
  'a dataset without fields': [
    { dataset: { name: 'mine', found: '', about: {} } },
    /^a\.json: dataset\b.*expected /,
  ],
  'images of version 1 in an unknown dataset': [
    { version: 1, dataset: { ...OLD_IMAGES, name: 'svhn' } },
    /^a\.json: dataset\b.*expected /,
  ],
};

test('a checkpoint of version 1 tells its images as fields, with the same names and numbers', async (t) => {
  const old = { ...(await checkpointDocument()), version: 1, dataset: OLD_IMAGES };
  const { dataset } = await decodeDocument(old, 'a.json');
  t.deepEqual(dataset, { ...checkpointAt(3).dataset, bytes: 0 });
});

for (const [name, [change, message]] of Object.entries(REFUSED)) {
  test(`checkpoint.json refused: ${name}`, async (t) => {
    const json = { ...(await checkpointDocument()), ...change };
    await t.throwsAsync(decodeDocument(json, 'a.json'), { instanceOf: UserError, message });
  });
}

/** Without a digest, as it was written before there were any. */
async function checkpointDocument(): Promise<object> {
  return decodeDocument(await documentOf(checkpointAt(3)), 'a.json');
}

test('whatever JSON is there in place of checkpoint.json, the error is a UserError', async (t) => {
  const valid = await checkpointDocument();
  const change = fc.dictionary(fc.constantFrom(...Object.keys(valid)), fc.jsonValue(), { minKeys: 1 });
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), change, async (any, changes) => {
      await t.throwsAsync(decodeDocument(any, 'a.json'), { instanceOf: UserError });
      try {
        await decodeDocument({ ...valid, ...changes }, 'a.json');
      } catch (error) {
        t.true(error instanceof UserError);
      }
    }),
  );
});

test('a tensor of no slot is refused', async (t) => {
  const document = await decodeDocument(await documentOf(checkpointAt(3)), 'a.json');
  for (const name of ['mux', 'mu', 'rho/w', '/w']) {
    const bytes = Buffer.concat(encodeSafetensors([{ name, shape: [1], data: Float32Array.of(1) }]));
    t.throws(() => decodeOptimizer(document, bytes, 'o.safetensors'), {
      instanceOf: UserError,
      message: `o.safetensors: unexpected tensor "${name}"; names are mu/…, nu/…`,
    });
  }
});

test('a document without a digest is read, and one of another order or layout', async (t) => {
  const document = await checkpointDocument();
  t.false('digest' in document);
  t.deepEqual(await decodeDocument(document, 'a.json'), document);
  const written = await documentOf(checkpointAt(3));
  const turned = Object.fromEntries(Object.entries(written ?? {}).reverse());
  t.true('digest' in turned);
  t.deepEqual(await decodeDocument(turned, 'a.json'), document);
});

/** The paths of all numbers, texts and truth values in a value. */
function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, each]) => leaves(each, [...path, key]));
}

/** A copy in which the value at `path` is another one of its type. */
function altered(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    if (typeof value === 'number') return value + 1;
    return typeof value === 'boolean' ? !value : `${value ?? ''}0`;
  }
  if (Array.isArray(value)) return value.map((each, i) => (String(i) === key ? altered(each, rest) : each));
  const fields = Object.entries(value ?? {});
  return Object.fromEntries(fields.map(([name, each]) => [name, name === key ? altered(each, rest) : each]));
}

test('every value in checkpoint.json that is changed by hand or by rot is an error that names the file', async (t) => {
  const document = await documentOf(checkpointAt(3, bestAt(0.5, 2)));
  const paths = leaves(document);
  t.true(paths.length > 50);
  for (const path of paths) {
    const changed = altered(document, path);
    t.notDeepEqual(changed, document);
    await t.throwsAsync(
      decodeDocument(changed, 'a.json'),
      { instanceOf: UserError, message: /^a\.json: / },
      path.join('.'),
    );
  }
  const saying = altered(document, ['config', 'learningRate']);
  await t.throwsAsync(decodeDocument(saying, 'a.json'), {
    message:
      /^a\.json: it was edited or damaged after it was saved .*; undo the edit, or take another checkpoint/,
  });
});
