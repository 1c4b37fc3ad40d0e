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
} from '../../src/train/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.ts';
import { checkpointAt } from './_checkpoint.ts';

const SUM = { bytes: 1, sha256: '0'.repeat(64) };
const documentOf = (checkpoint: Checkpoint): unknown =>
  JSON.parse(encodeDocument(checkpoint, { model: SUM, optimizer: SUM }));

function roundTrip(checkpoint: Checkpoint): Checkpoint {
  const document = decodeDocument(documentOf(checkpoint), 'checkpoint.json');
  const { model, optimizer } = encodeTensors(checkpoint);
  return {
    ...decodeModel(document, Buffer.concat(model), 'model.safetensors'),
    optimizer: decodeOptimizer(document, Buffer.concat(optimizer), 'optimizer.safetensors'),
  };
}

test('a checkpoint survives being written and read', (t) => {
  const checkpoint = checkpointAt(12, { top1: 0.5, step: 10 });
  t.deepEqual(roundTrip(checkpoint), checkpoint);
});

test('an optimizer without slots, and a model before its first measurement, too', (t) => {
  const checkpoint = { ...checkpointAt(0), optimizer: { name: 'sgd', slots: {} } };
  t.deepEqual(roundTrip(checkpoint), checkpoint);
});

test('the model file says by itself where it comes from', (t) => {
  const { tensors, metadata } = decodeSafetensors(Buffer.concat(encodeTensors(checkpointAt(12)).model), 'x');
  t.deepEqual(metadata, { producer: 'ortgrad', graph: 'tiny', graph_hash: 'abc', step: '12' });
  t.deepEqual(
    tensors.map(({ name }) => name),
    ['block0/kernel', 'head/bias'],
  );
});

test('only what belongs to the dataset is written of it, not its images', (t) => {
  const checkpoint = checkpointAt(1);
  const dataset = { ...checkpoint.dataset, train: { labels: new Int32Array(1e3) } };
  t.deepEqual(documentOf({ ...checkpoint, dataset }), documentOf(checkpoint));
});

const REFUSED: Record<string, [change: object, message: RegExp]> = {
  'another version': [
    { version: 2 },
    /^a\.json: version: expected 1, got 2; it was written by another version of ortgrad$/,
  ],
  'a step that is none': [{ step: -1 }, /^a\.json: step: expected >=0, got -1$/],
  'a missing part': [{ optimizer: undefined }, /^a\.json: optimizer: missing; it is no checkpoint$/],
  'a digest that is none': [
    { files: { model: SUM, optimizer: { ...SUM, sha256: 'no' } } },
    /^a\.json: files\.optimizer\.sha256: expected .*, got "no"$/,
  ],
  'an unknown dataset': [
    { dataset: { ...checkpointAt(1).dataset, name: 'svhn' } },
    /^a\.json: dataset\.name: expected .*"mnist".*, got "svhn"$/,
  ],
};

for (const [name, [change, message]] of Object.entries(REFUSED)) {
  test(`checkpoint.json refused: ${name}`, (t) => {
    const json = { ...checkpointDocument(), ...change };
    t.throws(() => decodeDocument(json, 'a.json'), { instanceOf: UserError, message });
  });
}

function checkpointDocument(): object {
  return decodeDocument(documentOf(checkpointAt(3)), 'a.json');
}

test('whatever JSON is there in place of checkpoint.json, the error is a UserError', (t) => {
  const valid = checkpointDocument();
  const change = fc.dictionary(fc.constantFrom(...Object.keys(valid)), fc.jsonValue(), { minKeys: 1 });
  fc.assert(
    fc.property(fc.jsonValue(), change, (any, changes) => {
      t.throws(() => decodeDocument(any, 'a.json'), { instanceOf: UserError });
      try {
        decodeDocument({ ...valid, ...changes }, 'a.json');
      } catch (error) {
        t.true(error instanceof UserError);
      }
    }),
  );
});

test('a tensor of no slot is refused', (t) => {
  const document = decodeDocument(documentOf(checkpointAt(3)), 'a.json');
  for (const name of ['mux', 'mu', 'rho/w', '/w']) {
    const bytes = Buffer.concat(encodeSafetensors([{ name, shape: [1], data: Float32Array.of(1) }]));
    t.throws(() => decodeOptimizer(document, bytes, 'o.safetensors'), {
      instanceOf: UserError,
      message: `o.safetensors: unexpected tensor "${name}"; names are mu/…, nu/…`,
    });
  }
});
