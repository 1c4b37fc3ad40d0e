/** The passes on whole networks that they were not written for: results stay the same, and costs fall. */
import test, { type ExecutionContext } from 'ava';
import { MEMORY_LEVELS, type MemoryLevel } from '../../src/artifacts/graphs.ts';
import { affineLayerNorm, gelu, linear } from '../../src/autodiff/functions.ts';
import { grad } from '../../src/autodiff/grad.ts';
import { globalNorm, penalizedGradient } from '../../src/autodiff/gradient-norm.ts';
import { Scope } from '../../src/layers/scope.ts';
import { crossEntropy } from '../../src/losses/cross-entropy.ts';
import { executionOrder, type Graph } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { finish, PASS_NAMES, type PassName, prepare } from '../../src/passes/finish.ts';
import { matmulFlops } from '../../src/passes/flops.ts';
import { bytesOf, isStored, peakBytes } from '../../src/passes/memory.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { run } from '../_run.ts';
import { feedsOf } from './_graphs.ts';

type Name = 'loss-grad' | 'gr-exact';
type Build = (name: Name, memory: MemoryLevel, without?: readonly PassName[]) => Graph;

/** So many that 65 tokens of each are cut into slices for the levels that do. */
const BATCH = 32;
const IMAGE = { channels: 1, height: 16, width: 16 };
const CLASSES = 5;

function vit(pool: 'class' | 'mean'): Build {
  const model = { kind: 'vit', patch: 2, width: 16, layers: 2, heads: 2, mlpRatio: 2, pool };
  const spec = imageSpec({ dataset: 'mnist', image: IMAGE, classes: CLASSES, model, microBatch: BATCH });
  return (name, memory, without = []) => imageGraphs(spec, BATCH, { memory, without }).graph(name);
}

function layer(scope: Scope, x: Value, columns: number): Value {
  const kernel = scope.param('kernel', [Number(x.shape.at(-1)), columns], { kind: 'xavier-uniform' });
  return linear(x, kernel, scope.param('bias', [columns], { kind: 'zeros' }));
}

function norm(scope: Scope, x: Value): Value {
  const width = Number(x.shape.at(-1));
  const scale = scope.param('scale', [width], { kind: 'ones' });
  return affineLayerNorm(x, scale, scope.param('bias', [width], { kind: 'zeros' }), 1e-6);
}

function mlp(scope: Scope, x: Value, hidden: number): Value {
  return layer(scope.sub('fc2'), gelu(layer(scope.sub('fc1'), x, hidden)), Number(x.shape.at(-1)));
}

/** An MLP-Mixer (Tolstikhin et al. 2021): layers across tokens, through a Transpose, and across channels. */
function mixer(scope: Scope, images: Value): Value {
  const patches = ops.transpose(ops.reshape(images, [BATCH, 8, 2, 8, 2]), [0, 1, 3, 2, 4]);
  let x = layer(scope.sub('embed'), ops.reshape(patches, [BATCH, 64, 4]), 16);
  for (const block of [scope.sub('block0'), scope.sub('block1')]) {
    const across = ops.transpose(norm(block.sub('norm1'), x), [0, 2, 1]);
    x = ops.add(x, ops.transpose(mlp(block.sub('tokens'), across, 32), [0, 2, 1]));
    x = ops.add(x, mlp(block.sub('channels'), norm(block.sub('norm2'), x), 32));
  }
  return layer(scope.sub('head'), ops.reduceMean(norm(scope.sub('norm'), x), { axes: [1] }), CLASSES);
}

const buildMixer: Build = (name, memory, without = []) => {
  const images = ops.input('images', [BATCH, IMAGE.channels, IMAGE.height, IMAGE.width]);
  const [labels, lambda] = [ops.input('labels', [BATCH], 'int32'), ops.input('lambda', [])];
  const scope = new Scope();
  const forward = mixer(scope, images);
  const parts = [ops.reduceMean(crossEntropy(forward, labels, { smoothing: 0.1 })), forward];
  const [loss = forward, logits = forward] = prepare(parts, without);
  const values = scope.parameters.map(({ value }) => value);
  const plain = grad(loss, values);
  const grad_norm = globalNorm(plain);
  const gradient = name === 'loss-grad' ? plain : penalizedGradient(plain, values, grad_norm, lambda);
  const named = scope.parameters.map(({ path }, i): [string, Value] => [`grad/${path}`, gradient[i] ?? loss]);
  const inputs = [images, labels, ...(name === 'gr-exact' ? [lambda] : []), ...values];
  const outputs = { loss, grad_norm, logits, ...Object.fromEntries(named) };
  const recomputeAfter = memory === 'lean' ? ['grad_norm', 'logits'] : [];
  return finish({ name, inputs, outputs }, { target: 'cpu', without, recomputeAfter });
};

const CLASS_TOKEN = 'a ViT with a class token';
const NETWORKS: Readonly<Record<string, Build>> = {
  [CLASS_TOKEN]: vit('class'),
  'a ViT with a pooling head': vit('mean'),
  'an MLP-Mixer': buildMixer,
};

const length = (values: Iterable<number>): number => Math.hypot(...values);

/** Weights of a size that keeps activations near 1; the rest as it comes. */
function feedsFor(graph: Graph): Record<string, Float32Array | Int32Array> {
  const feeds = feedsOf(graph);
  for (const [name, values] of Object.entries(feeds)) {
    const isParameter = name.includes('/') || name === 'cls' || name === 'positions';
    if (isParameter && name.endsWith('scale')) feeds[name] = values.map((value) => 1 + 0.1 * value);
    else if (isParameter) feeds[name] = values.map((value) => 0.4 * value);
    if (name === 'lambda' || name === 'scalar/labelSmoothing') feeds[name] = Float32Array.of(0.1);
    if (name === 'weight/loss') feeds[name] = Float32Array.of(BATCH);
  }
  return feeds;
}

/** The error of each tensor relative to its norm. Where its true gradient is zero, relative to the norm of all. */
function sameTensors(
  t: ExecutionContext,
  got: Readonly<Record<string, Float32Array>>,
  expected: Readonly<Record<string, Float32Array>>,
): void {
  t.deepEqual(Object.keys(got), Object.keys(expected));
  const gradients = Object.entries(expected).filter(([name]) => name.startsWith('grad/'));
  const whole = length(gradients.map(([, values]) => length(values)));
  t.true(whole > 0.1);
  for (const [name, values] of Object.entries(expected)) {
    const error = length(values.map((value, i) => value - (got[name]?.[i] ?? Number.NaN)));
    const size = length(values) > 1e-4 * whole ? length(values) : whole;
    t.true(error <= 1e-5 * size, `${name}: ${error / size}`);
  }
}

/**
 * What a graph costs without a clock: nodes that compute, bytes that they write, the most alive at once, arithmetic.
 */
function costs(graph: Graph) {
  const nodes = executionOrder(graph).filter(isStored);
  const written = nodes.flatMap((node) => node.outputs).reduce((sum, value) => sum + bytesOf(value), 0);
  return { nodes: nodes.length, written, peak: peakBytes(graph), flops: matmulFlops(graph) };
}

/**
 * Common subexpressions are merged on both sides: composites rely on that, so the comparison would be unfair without.
 */
const OTHERS = PASS_NAMES.filter((name) => name !== 'common-subexpressions');

for (const [network, build] of Object.entries(NETWORKS)) {
  for (const name of ['loss-grad', 'gr-exact'] as const) {
    test(`${network}, ${name}: all passes give what none gives, at every memory level`, async (t) => {
      const plain = build(name, 'fast', PASS_NAMES);
      const feeds = feedsFor(plain);
      const expected = await run(plain.outputs, feeds);
      for (const memory of MEMORY_LEVELS)
        sameTensors(t, await run(build(name, memory).outputs, feeds), expected);
    });

    test(`${network}, ${name}: fewer nodes, and fewer bytes written and held at once`, (t) => {
      const [all, few, none] = [[], OTHERS, PASS_NAMES].map((without) => costs(build(name, 'fast', without)));
      if (!all || !few || !none) throw new Error('internal: three graphs');
      t.true(all.nodes < none.nodes, `${all.nodes} of ${none.nodes} nodes`);
      t.true(all.written < few.written, `${all.written} of ${few.written} bytes`);
      t.true(all.peak < 0.9 * few.peak, `${all.peak} of ${few.peak} bytes at once`);
      // Sums over rows are products now; where only a class token is used, many products are of fewer rows.
      const most = network === CLASS_TOKEN ? 0.95 : 1.05;
      t.true(all.flops < most * few.flops, `${all.flops} of ${few.flops} operations`);
    });
  }
}
