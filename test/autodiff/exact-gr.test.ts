/** Gradients of a small Vision Transformer against PyTorch's double backward in float64 (scripts/peers/golden_vit.py). */
import test from 'ava';
import { globalNorm } from '../../src/autodiff/gradient-norm.ts';
import { topologicalOrder } from '../../src/onnx/graph.ts';
import { input } from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { floatsOf, runOn } from '../../src/run/engine.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { finiteDifference } from '../../src/step/regularizers/finite-difference.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { batch, golden, goldenEngine, openGolden, spec } from '../_golden-vit.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { run } from '../_run.ts';

const norm = (values: Iterable<number>): number => Math.hypot(...values);

/** Largest error of a tensor relative to it; to the whole gradient where the tensor's own is next to nothing. */
function worstError(
  paths: readonly string[],
  got: readonly Float32Array[],
  expected: Readonly<Record<string, readonly number[]>>,
): number {
  const whole = norm(Object.values(expected).flat());
  const errors = paths.map((path, k) => {
    const wanted = expected[path] ?? [];
    const error = norm(wanted.map((x, i) => (got[k]?.[i] ?? Number.NaN) - x));
    return error / (norm(wanted) > 1e-6 * whole ? norm(wanted) : whole);
  });
  return Math.max(...errors);
}

/** Error of all tensors together, relative to the whole gradient. */
function wholeError(
  paths: readonly string[],
  got: readonly Float32Array[],
  expected: Readonly<Record<string, readonly number[]>>,
): number {
  const wanted = paths.flatMap((path) => expected[path] ?? []);
  const error = paths.flatMap((path, k) =>
    (expected[path] ?? []).map((x, i) => (got[k]?.[i] ?? Number.NaN) - x),
  );
  return norm(error) / norm(wanted);
}

for (const microBatch of [golden.batch, golden.batch / 2, 1]) {
  const inRuns = `in runs of ${microBatch} of ${golden.batch} images`;

  test(`the plain gradient is PyTorch's, ${inRuns}`, async (t) => {
    const { engine, variables, take } = goldenEngine(microBatch);
    const result = await take({ regularizer: none });
    t.true(Math.abs(result.loss / golden.loss - 1) < 1e-6);
    t.true(Math.abs(result.gradNorm / golden.grad_norm - 1) < 1e-5);
    t.is(result.regularizedNorm, result.gradNorm);
    const paths = variables.parameters.map(({ path }) => path);
    t.true(wholeError(paths, result.gradients, golden.gradient) < 5e-6);
    t.true(worstError(paths, result.gradients, golden.gradient) < 2e-5);
    await engine.release();
  });

  test(`the gradient of L + λ‖∇L‖ is that of PyTorch's double backward, ${inRuns}`, async (t) => {
    const { engine, variables, take } = goldenEngine(microBatch);
    const whole = microBatch === golden.batch;
    const strengths = { lambda: golden.lambda };
    const result = await take({ regularizer: exact, strengths, whole, observed: true });
    t.true(Math.abs(result.loss / golden.loss - 1) < 1e-6);
    t.true(Math.abs(result.gradNorm / golden.grad_norm - 1) < 1e-5);
    t.true(Math.abs(result.regularizedNorm / norm(Object.values(golden.exact).flat()) - 1) < 1e-5);
    const product = Object.entries(golden.exact).reduce(
      (sum, [path, values]) => values.reduce((s, x, i) => s + x * (golden.gradient[path]?.[i] ?? 0), sum),
      0,
    );
    t.true(Math.abs(result.product / product - 1) < 1e-5);
    const paths = variables.parameters.map(({ path }) => path);
    t.true(wholeError(paths, result.gradients, golden.exact) < 1e-5);
    t.true(worstError(paths, result.gradients, golden.exact) < 2e-5);
    await engine.release();
  });

  test(`the finite-difference gradient is PyTorch's, ${inRuns}`, async (t) => {
    const { engine, variables, take } = goldenEngine(microBatch);
    const { r, alpha } = golden;
    const result = await take({ regularizer: finiteDifference, strengths: { r, alpha } });
    const paths = variables.parameters.map(({ path }) => path);
    t.true(worstError(paths, result.gradients, golden.fd) < 1e-4);
    t.true(Math.abs(result.loss / golden.loss - 1) < 1e-6, 'the clean loss is reported');
    await engine.release();
  });
}

test("the logits are PyTorch's, and the batch's accuracy is theirs", async (t) => {
  const { engine, variables, take } = goldenEngine(golden.batch);
  const session = await openGolden(golden.batch).load('infer');
  const { images, labels } = batch.fields;
  const { channels, height, width } = golden.image;
  if (!(images instanceof Float32Array) || !labels) throw new Error('test: a batch without images');
  const shape = [golden.batch, channels, height, width];
  const out = await runOn(session, {
    ...variables.feeds,
    images: { dtype: 'float32', shape, data: images },
  });
  const logits = floatsOf(out, 'logits');
  t.true(norm(golden.logits.map((x, i) => (logits[i] ?? Number.NaN) - x)) < 1e-5 * norm(golden.logits));
  const right = [...labels].filter((label, i) => {
    const row = golden.logits.slice(i * golden.classes, (i + 1) * golden.classes);
    return row.indexOf(Math.max(...row)) === Number(label);
  });
  const { sums } = await take({ regularizer: none });
  t.deepEqual([...(sums['top1/right'] ?? [])], [right.length]);
  await session.release();
  await engine.release();
});

test('finite-difference regularization tends to the exact one as r goes to 0 with λ fixed', async (t) => {
  const { engine, variables, take } = goldenEngine(golden.batch);
  const paths = variables.parameters.map(({ path }) => path);
  const distances: number[] = [];
  for (const r of [4e-3, 2e-3, 1e-3]) {
    const strengths = { r, alpha: golden.lambda / r };
    const { gradients } = await take({ regularizer: finiteDifference, strengths });
    const difference = paths.flatMap((path, k) =>
      (golden.exact[path] ?? []).map((x, i) => (gradients[k]?.[i] ?? Number.NaN) - x),
    );
    distances.push(norm(difference));
  }
  const [at4 = 0, at2 = 0, at1 = 0] = distances;
  t.true(at4 / at2 > 1.7 && at4 / at2 < 2.3, `the error is of first order in r: ${distances.join(', ')}`);
  t.true(at2 / at1 > 1.7 && at2 / at1 < 2.3, `the error is of first order in r: ${distances.join(', ')}`);
  await engine.release();
});

test('the norm of millions of elements is right to six digits', async (t) => {
  const x = input('x', [1024, 4096]);
  const data = Float32Array.from({ length: 1024 * 4096 }, (_, i) => 1e-3 * (1 + Math.sin(1.7 * i)));
  let squares = 0;
  for (const value of data) squares += value * value;
  const out = await run({ norm: globalNorm([x]) }, { x: data });
  t.true(Math.abs((out.norm?.[0] ?? 0) / Math.sqrt(squares) - 1) < 1e-6);
});

test('a norm takes one sum for each matrix, and one for all those with as many rows', (t) => {
  const shapes = [[6, 2], [6, 3], [6], [4], [4, 5], []];
  const norm = globalNorm(shapes.map((shape, i) => input(`x${i}`, shape)));
  const sums = topologicalOrder([norm]).filter(({ op }) => op === 'ReduceSum');
  // Three matrices, three numbers of rows (6, 4 and 1), and the sum of these.
  t.is(sums.length, 3 + 3 + 1);
});

test('without a gradient there is nothing to regularize', async (t) => {
  const flat = imageSpec({ ...spec, model: { kind: 'mlp', hidden: [3] } });
  const graph = imageGraphs(flat, golden.batch).graph('gr-exact');
  const session = await createSession(serialize(graph), { device: 'cpu', threads: 1 });
  const feeds = graph.inputs.map((value): [string, Tensor] => {
    const name = 'name' in value.node.attributes ? value.node.attributes.name : '';
    const shape = value.shape.map(Number);
    const data = name === 'labels' ? new Int32Array(golden.batch) : new Float32Array(sizeOf(shape));
    if (name === 'lambda') data[0] = 1;
    if (name === 'weight/loss') data[0] = golden.batch;
    return [name, { dtype: name === 'labels' ? 'int32' : 'float32', shape, data }];
  });
  const tensors = Object.fromEntries(feeds);
  // Every weight is 0, and the head's bias is so large for the one label that its probability is 1 exactly.
  tensors['head/bias'] = { dtype: 'float32', shape: [5], data: Float32Array.of(200, 0, 0, 0, 0) };
  const out = await session.run(tensors);
  t.is(out.grad_norm?.data[0], 0);
  for (const [name, { data }] of Object.entries(out)) {
    if (name.startsWith('grad/'))
      t.true(
        data.every((x) => Number(x) === 0),
        name,
      );
  }
  await session.release();
});
