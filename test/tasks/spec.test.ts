import test from 'ava';
import { configFor } from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import { datasetSource } from '../../src/inference/source.ts';
import { infosOf } from '../../src/tasks/infos.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { isOwnSpec } from '../../src/tasks/spec.ts';

const IMAGE = { channels: 3, height: 32, width: 32 };
const VIT = { kind: 'vit', patch: 4, width: 8, layers: 1, heads: 2 };
const MLP = { kind: 'mlp', hidden: [5] };
const spec = (changes: object) => ({
  dataset: 'cifar10',
  image: IMAGE,
  classes: 10,
  model: VIT,
  microBatch: 4,
  ...changes,
});

/** Every number that sizes something: where it stands, a spec with another in its place, and the largest one. */
const SIZES: Readonly<Record<string, readonly [of: (size: unknown) => object, most: number]>> = {
  'image.channels': [(channels) => ({ image: { ...IMAGE, channels } }), 1024],
  'image.height': [(height) => ({ image: { ...IMAGE, height } }), 8192],
  'image.width': [(width) => ({ image: { ...IMAGE, width } }), 8192],
  classes: [(classes) => ({ classes }), 100_000],
  microBatch: [(microBatch) => ({ microBatch }), 65536],
  'model.patch': [(patch) => ({ model: { ...VIT, patch } }), 8192],
  'model.width': [(width) => ({ model: { ...VIT, width } }), 65536],
  'model.layers': [(layers) => ({ model: { ...VIT, layers } }), 128],
  'model.heads': [(heads) => ({ model: { ...VIT, heads } }), 1024],
  'model.mlpRatio': [(mlpRatio) => ({ model: { ...VIT, mlpRatio } }), 64],
  'model.hidden.0': [(width) => ({ model: { ...MLP, hidden: [width] } }), 2 ** 20],
  'model.hidden': [(length) => ({ model: { ...MLP, hidden: Array(Number(length)).fill(5) } }), 128],
};

for (const [field, [of, most]] of Object.entries(SIZES)) {
  const isLength = field === 'model.hidden';
  // 1e999 is how JSON can write infinity.
  for (const value of isLength ? [129, 1e5] : [most + 1, 2 ** 31, 1e15, JSON.parse('1e999')]) {
    test(`${field} of ${value} is refused at once, and named`, (t) => {
      const error = t.throws(() => parseSpec(spec(of(value)), 'a/spec.json'), { instanceOf: UserError });
      t.true(error.message.startsWith(`a/spec.json: ${field}: `), error.message);
      if (Number.isFinite(value))
        t.regex(error.message, new RegExp(`expected <=${most}, got ${isLength ? 'a list of ' : ''}${value}`));
    });
  }
  test(`${field} of no size is refused, and named`, (t) => {
    const none = field === 'classes' ? [1, 0, -1, '8', null] : [0, -1, '8', null];
    for (const value of isLength ? [0] : none) {
      const error = t.throws(() => parseSpec(spec(of(value)), 'a/spec.json'), { instanceOf: UserError });
      t.true(error.message.startsWith(`a/spec.json: ${field}: expected `), error.message);
    }
  });
}

/** Sizes that are each allowed, but not together. */
const TOGETHER: Readonly<Record<string, readonly [changes: object, message: RegExp]>> = {
  'a ViT of more parameters than an ONNX file holds': [
    { model: { ...VIT, width: 65536, layers: 128, mlpRatio: 64 } },
    /^a\/spec\.json: the parameters of the model are [\d,]{18,} numbers, expected at most 536,870,912; lower the sizes$/,
  ],
  'an MLP of more parameters than an ONNX file holds': [
    { model: { kind: 'mlp', hidden: [2 ** 20, 2 ** 20] } },
    /^a\/spec\.json: the parameters of the model are 1,102,[\d,]{9,} numbers, expected at most 536,870,912;/,
  ],
  'positions for every pixel of a large image': [
    { image: { channels: 1, height: 8192, width: 8192 }, microBatch: 1, model: { ...VIT, patch: 1 } },
    /^a\/spec\.json: the parameters of the model are 536,[\d,]+ numbers, expected at most 536,870,912;/,
  ],
  'a micro-batch of more numbers than a tensor holds': [
    { image: { channels: 1024, height: 8192, width: 8192 }, microBatch: 65536 },
    /^a\/spec\.json: the images of a micro-batch hold 4,503,599,627,370,496 numbers, expected at most 536,870,912;/,
  ],
  'heads that do not divide the width': [
    { model: { ...VIT, heads: 3 } },
    /^a\/spec\.json: vit: expected a width that 3 heads divide, got 8$/,
  ],
  'a patch that does not divide the image': [
    { model: { ...VIT, patch: 5 } },
    /^a\/spec\.json: vit: expected an image size that patch 5 divides, got \[32, 32\]$/,
  ],
  'an MLP in a ViT of no width': [
    { model: { ...VIT, mlpRatio: 0.001 } },
    /^a\/spec\.json: vit: expected an mlpRatio that gives the MLP a width of at least 1, got 0\.001 × 8$/,
  ],
};

for (const [what, [changes, message]] of Object.entries(TOGETHER)) {
  test(`refused at once: ${what}`, (t) => {
    t.throws(() => parseSpec(spec(changes), 'a/spec.json'), { instanceOf: UserError, message });
  });
}

const TABLE = { task: 'table', dataset: 'diamonds', features: 3, model: MLP, microBatch: 4 };
const TEXT = {
  ...{ task: 'text', dataset: 'languages', length: 8, classes: 3, microBatch: 4 },
  model: { kind: 'encoder', vocabulary: 258, width: 8, layers: 1, heads: 2 },
};
const own = (json: object) => {
  const parsed = parseSpec(json, 'a/spec.json');
  if (!isOwnSpec(parsed)) throw new Error('test: not of ours');
  return parsed;
};

test("a table's errors are in the unit that the spec says, and its R² has none", (t) => {
  const infos = infosOf(taskOf(own({ ...TABLE, scale: 4000, unit: '$' })));
  t.deepEqual(
    infos.map(({ label, unit }) => [label, unit]),
    [
      ['MAE', '$'],
      ['RMSE', '$'],
      ['R²', undefined],
      ['loss', undefined],
    ],
  );
  for (const scale of [0, -1, '5', null]) {
    const error = t.throws(() => parseSpec({ ...TABLE, scale }, 'a/spec.json'), { instanceOf: UserError });
    t.true(error.message.startsWith('a/spec.json: scale: expected '), error.message);
  }
});

test('a dataset is asked for what the spec reads: its scale, its tokens and how many there are', (t) => {
  const asked = (json: object) => {
    const spec = own(json);
    return datasetSource(configFor({}), { spec, task: taskOf(spec) });
  };
  t.is(asked({ ...TABLE, scale: 4000 }).scale, 4000);
  t.is(asked(TABLE).scale, undefined, 'errors of the target as the model sees it');
  t.like(asked(TEXT), { classes: 3, vocabulary: 258, options: { length: 8 } });
  t.like(asked({ ...TEXT, tokens: 'words' }), {
    ...{ classes: 3, vocabulary: 258 },
    options: { tokens: 'words', vocabulary: 258, length: 8 },
  });
  t.throws(() => parseSpec({ ...TEXT, tokens: 'letters' }, 'a/spec.json'), {
    instanceOf: UserError,
    message: /^a\/spec\.json: tokens: expected .*letters/,
  });
});
