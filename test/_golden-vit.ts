/**
 * The small Vision Transformer of scripts/peers/golden_vit.py, as the trainer runs it, and PyTorch's results for it.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { buildGraphs, type GraphName } from '../src/artifacts/build.ts';
import { describeGraphs } from '../src/artifacts/image-manifest.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { sizeOf } from '../src/onnx/shapes.ts';
import { createEngine } from '../src/run/images/engine.ts';
import { ParameterArrays } from '../src/run/images/parameters.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Session } from '../src/runtime/session.ts';
import { parseSpec } from '../src/tasks/spec.ts';

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
export const spec = parseSpec(
  {
    dataset: 'mnist',
    image: golden.image,
    classes: golden.classes,
    model: { kind: 'vit', patch, width, layers, heads },
    microBatch: golden.batch,
  },
  'golden',
);

/** The engine as the trainer uses it, with the golden's weights. */
export function openGolden(kind: 'none' | 'exact' | 'fd', microBatch: number) {
  const built = buildGraphs(spec, microBatch);
  const manifest = describeGraphs('golden', spec, built, microBatch, '');
  const parameters = new ParameterArrays(manifest);
  manifest.parameters.forEach(({ path, shape }, k) => {
    const wave = (i: number) => Math.sin(1.7 * i + 0.9 * k + 0.3);
    const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
      path.endsWith('scale') ? 1 + 0.1 * wave(i) : 0.3 * wave(i),
    );
    parameters.values.views[k]?.set(values);
  });
  const load = (graph: GraphName): Promise<Session> =>
    createSession(serialize(built.graphs[graph]), { device: 'cpu', threads: 1 });
  const { labelSmoothing } = golden;
  return { manifest, parameters, engine: createEngine({ manifest, parameters, kind, labelSmoothing, load }) };
}

const size = golden.image.channels * golden.image.height * golden.image.width;
export const batch = {
  images: Float32Array.from({ length: golden.batch * size }, (_, i) => Math.sin(0.37 * i)),
  labels: Int32Array.from({ length: golden.batch }, (_, i) => i % golden.classes),
};
