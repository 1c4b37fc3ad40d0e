/** Exported files against the plain one, in ONNX Runtime. */
import test from 'ava';
import { IN_PLACE, normalizationTable, writeNormalized } from '../../src/data/augment.ts';
import { UserError } from '../../src/errors.ts';
import { imageModel, inferenceModel, throughFloat16 } from '../../src/inference/inference-model.ts';
import { read } from '../../src/onnx/read.ts';
import { Random } from '../../src/random.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';

const spec = imageSpec({
  dataset: 'cifar10',
  image: { channels: 3, height: 12, width: 8 },
  classes: 5,
  model: { kind: 'vit', patch: 4, width: 16, layers: 2, heads: 2 },
  microBatch: 2,
});
const random = new Random(3, 'sample');
const uniform = (length: number): Float32Array => Float32Array.from({ length }, () => random.uniform() - 0.5);
const { parameters } = imageGraphs(spec, 2);
const weights = new Map(
  parameters.map(({ path, shape }) => [path, uniform(shape.reduce((size, dim) => size * dim, 1))]),
);
const common = {
  spec,
  weights,
  classes: ['a', 'b', 'c', 'd', 'e'],
  mean: [0.49, 0.48, 0.45],
  std: [0.25, 0.24, 0.26],
};

const COUNT = 7;
const image = spec.image;
const size = image.channels * image.height * image.width;
/** Channels last. */
const pixels = Uint8Array.from({ length: COUNT * size }, () => random.integer(256));
const normalized = new Float32Array(COUNT * size);
for (let i = 0; i < COUNT; i++) {
  const planes = new Uint8Array(size);
  for (let k = 0; k < size; k++) planes[(k % 3) * (size / 3) + Math.floor(k / 3)] = pixels[i * size + k] ?? 0;
  writeNormalized(planes, 0, image, normalizationTable(common), IN_PLACE, normalized, i * size);
}
const normalizedImages: Tensor = { dtype: 'float32', shape: [COUNT, 3, 12, 8], data: normalized };
const rawImages: Tensor = { dtype: 'uint8', shape: [COUNT, 12, 8, 3], data: pixels };

async function logitsOf(model: Uint8Array, images: Tensor, optimize = false): Promise<number[]> {
  const session = await createSession(model, { device: 'cpu', threads: 1, optimize });
  const { logits } = await session.run({ images });
  await session.release();
  return Array.from(logits?.data ?? [], Number);
}

function worst(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? Number.NaN))));
}

test('a model of raw pixels gives the logits of the plain one on normalised images, for any batch', async (t) => {
  const plain = await logitsOf(imageModel(common), normalizedImages);
  const bytes = imageModel({ ...common, rawPixels: true });
  t.is(plain.length, COUNT * 5);
  t.true(Math.max(...plain) - Math.min(...plain) > 1);
  t.true(worst(plain, await logitsOf(bytes, rawImages)) < 2e-5);
  t.true(worst(plain, await logitsOf(bytes, rawImages, true)) < 2e-5);
  const last = { ...rawImages, shape: [1, 12, 8, 3], data: pixels.subarray((COUNT - 1) * size) };
  t.true(worst(plain.slice(-5), await logitsOf(bytes, last)) < 2e-5);
  const { graph, metadata } = read(bytes);
  t.deepEqual(
    graph.inputs.map(({ dtype, shape }) => [dtype, shape]),
    [['uint8', ['batch', 12, 8, 3]]],
  );
  t.is(metadata.input, 'raw-pixels');
});

test('a model in fp16 is half as large and gives the logits of its rounded weights', async (t) => {
  const bytes = imageModel({ ...common, precision: 'fp16', rawPixels: true });
  const rounded = new Map(
    parameters.map(({ path, shape }) => [path, throughFloat16(path, shape, weights.get(path) ?? uniform(0))]),
  );
  t.true((rounded.get('head/kernel') ?? []).some((x, i) => x !== weights.get('head/kernel')?.[i]));
  const expected = await logitsOf(imageModel({ ...common, weights: rounded }), normalizedImages);
  t.true(worst(expected, await logitsOf(bytes, rawImages)) < 2e-5);
  t.true(worst(expected, await logitsOf(bytes, rawImages, true)) < 2e-5);
  const full = imageModel({ ...common, rawPixels: true }).length;
  const matrices = parameters.filter(({ shape }) => shape.length > 1);
  const elements = matrices.reduce((sum, { shape }) => sum + shape.reduce((n, dim) => n * dim, 1), 0);
  // Two bytes of each element, but for what the casts take.
  t.true(Math.abs(full - bytes.length - 2 * elements) < 150 * matrices.length);
});

test('a weight beyond float16 is refused by name', (t) => {
  const large = new Map(weights).set('head/kernel', new Float32Array(80).fill(1e5));
  const error = t.throws(() => imageModel({ ...common, weights: large, precision: 'fp16' }), {
    instanceOf: UserError,
  });
  t.is(
    error.message,
    '--precision fp16: head/kernel holds 100000, expected at most 65504, the largest float16; use --precision fp32',
  );
});

test('a model of any task: its inputs are what it predicts from, and its metadata what is given', async (t) => {
  const bytes = inferenceModel({ task: taskOf(spec), weights, doc: 'a doc', metadata: { classes: '["a"]' } });
  const { graph, metadata } = read(bytes);
  t.deepEqual(metadata, { classes: '["a"]' });
  t.deepEqual(
    graph.inputs.map(({ dtype, shape }) => [dtype, shape]),
    [['float32', ['batch', 3, 12, 8]]],
  );
  t.deepEqual(await logitsOf(bytes, normalizedImages), await logitsOf(imageModel(common), normalizedImages));
});
