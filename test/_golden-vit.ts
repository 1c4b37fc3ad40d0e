/**
 * The small Vision Transformer of scripts/peers/golden_vit.py, as the trainer runs it, and PyTorch's results for it.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { type GradientOf, gradientOf } from '../scripts/bench/gradient.ts';
import type { GraphName } from '../src/artifacts/graphs.ts';
import type { Batch } from '../src/data/batch.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { createEngine } from '../src/run/engine.ts';
import { VariableArrays } from '../src/run/variables.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Session } from '../src/runtime/session.ts';
import { imageGraphs, imageSpec, manifestOf } from './_networks.ts';

const numbers = v.array(v.number());
const Golden = v.object({
  model: v.object({ patch: v.number(), width: v.number(), layers: v.number(), heads: v.number() }),
  image: v.object({ channels: v.number(), height: v.number(), width: v.number() }),
  batch: v.number(),
  classes: v.number(),
  lambda: v.number(),
  r: v.number(),
  alpha: v.number(),
  labelSmoothing: v.number(),
  loss: v.number(),
  grad_norm: v.number(),
  logits: numbers,
  gradient: v.record(v.string(), numbers),
  exact: v.record(v.string(), numbers),
  fd: v.record(v.string(), numbers),
});
export const golden = v.parse(
  Golden,
  JSON.parse(readFileSync(new URL('./goldens/exact-gr-vit.json', import.meta.url), 'utf8')),
);

const { patch, width, layers, heads } = golden.model;
export const spec = imageSpec({
  dataset: 'mnist',
  image: golden.image,
  classes: golden.classes,
  model: { kind: 'vit', patch, width, layers, heads },
  microBatch: golden.batch,
});

/** The graphs with a micro-batch, their manifest, and a function that sets the golden's weights. */
export function openGolden(microBatch: number) {
  const graphs = imageGraphs(spec, microBatch);
  const manifest = manifestOf(graphs);
  const load = (graph: GraphName): Promise<Session> =>
    createSession(serialize(graphs.graph(graph)), { device: 'cpu', threads: 1 });
  return { graphs, manifest, load };
}

export function setWeights(variables: VariableArrays): void {
  variables.parameters.forEach(({ path }, k) => {
    const wave = (i: number) => Math.sin(1.7 * i + 0.9 * k + 0.3);
    const values = variables.array(path);
    values.set(values.map((_, i) => (path.endsWith('scale') ? 1 + 0.1 * wave(i) : 0.3 * wave(i))));
  });
}

/** The engine as the trainer uses it, with the golden's weights. */
export function goldenEngine(microBatch: number) {
  const { manifest, load } = openGolden(microBatch);
  const variables = new VariableArrays(manifest, 0);
  setWeights(variables);
  const engine = createEngine({ manifest, variables, seed: 0, load });
  const scalars = { labelSmoothing: golden.labelSmoothing };
  const take = (options: Pick<GradientOf, 'regularizer' | 'strengths' | 'whole' | 'observed'>) =>
    gradientOf({ engine, variables, scalars, ...options })(batch);
  return { manifest, variables, engine, scalars, take };
}

const size = golden.image.channels * golden.image.height * golden.image.width;
export const batch: Batch = {
  fields: {
    images: Float32Array.from({ length: golden.batch * size }, (_, i) => Math.sin(0.37 * i)),
    labels: Int32Array.from({ length: golden.batch }, (_, i) => i % golden.classes),
  },
  examples: golden.batch,
  indices: Uint32Array.from({ length: golden.batch }, (_, i) => i),
  epoch: 0,
  step: 0,
};
