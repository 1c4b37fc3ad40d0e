/** Swin and CaiT beside timm in float64 (scripts/peers/golden_timm.py): loss, logits, gradient and exact regularization. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import * as v from 'valibot';
import { gradientOf } from '../../scripts/bench/gradient.ts';
import type { GraphName } from '../../src/artifacts/graphs.ts';
import { initFrom } from '../../src/inference/init-from.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { createEngine } from '../../src/run/engine.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { imageGraphs, imageSpec, manifestOf } from '../_networks.ts';
import { run } from '../_run.ts';
import { differences } from '../_steps.ts';

const byName = v.record(v.string(), v.array(v.number()));
const Golden = v.object({
  image: v.object({ channels: v.number(), height: v.number(), width: v.number() }),
  model: v.looseObject({ kind: v.string() }),
  ...{ batch: v.number(), classes: v.number(), lambda: v.number(), loss: v.number(), grad_norm: v.number() },
  ...{ logits: v.array(v.number()), shapes: byName, gradient: byName, exact: byName },
});
type Golden = v.InferOutput<typeof Golden>;
const GOLDENS = v.parse(
  v.object({ swin: Golden, cait: Golden }),
  JSON.parse(readFileSync(new URL('../goldens/timm.json', import.meta.url), 'utf8')),
);

/** The weights by formula, in the order of timm's sorted names. */
function weightsOf({ shapes }: Golden) {
  return Object.entries(shapes).map(([name, shape], k) => {
    const wave = (i: number) => Math.sin(1.7 * i + 0.9 * k + 0.3);
    const isScale = /gamma|norm.*weight$/.test(name);
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
      isScale ? 1 + 0.1 * wave(i) : 0.3 * wave(i),
    );
    return { name, shape, data };
  });
}

for (const [name, golden] of Object.entries(GOLDENS)) {
  const { image, batch, classes } = golden;
  const written = imageGraphs(
    imageSpec({ dataset: 'mnist', image, classes, model: golden.model, microBatch: batch }),
    batch,
  );
  const images = Float32Array.from({ length: batch * image.channels * image.height * image.width }, (_, i) =>
    Math.sin(0.37 * i),
  );

  for (const [kind, regularizer, whole] of [
    ['gradient', none, false],
    ['exact', exact, true],
    ['exact', exact, false],
  ] as const) {
    const how = kind === 'gradient' ? '' : ` of exact GR in ${whole ? 'one run' : 'two runs'}`;
    test(`a small ${name}: timm's loss and gradient${how}`, async (t) => {
      const manifest = manifestOf(written);
      const load = (graph: GraphName) =>
        createSession(serialize(written.graph(graph)), { device: 'cpu', threads: 1 });
      const variables = new VariableArrays(manifest, 0);
      const paths = variables.parameters.map(({ path }) => path);
      const mapped = (tensors: Parameters<typeof initFrom>[0]) =>
        initFrom(tensors, manifest.variables, { origin: 'golden' }).values;
      const weights = mapped(weightsOf(golden));
      for (const path of paths) variables.array(path).set(weights.get(path) ?? []);
      const engine = createEngine({ manifest, variables, seed: 0, load });
      const take = gradientOf({
        ...{ engine, variables, regularizer, whole },
        strengths: { lambda: golden.lambda },
      });
      const result = await take({
        fields: { images, labels: Int32Array.from({ length: batch }, (_, i) => i % classes) },
        ...{ examples: batch, indices: Uint32Array.from({ length: batch }, (_, i) => i), epoch: 0, step: 0 },
      });
      t.true(Math.abs(result.loss / golden.loss - 1) < 1e-5, String(result.loss));
      t.true(Math.abs(result.gradNorm / golden.grad_norm - 1) < 1e-4, String(result.gradNorm));
      // A weight's gradient is laid out as the weight is.
      const expected = mapped(
        Object.entries(golden[kind]).map(([tensor, data]) => ({
          ...{ name: tensor, shape: golden.shapes[tensor] ?? [], data: Float32Array.from(data) },
        })),
      );
      t.is(expected.size, paths.length);
      const all = paths.map((path) => expected.get(path) ?? new Float32Array());
      const [worst] = differences(result.gradients, all, paths);
      t.true((worst?.error ?? 1) < 1e-4, `${worst?.name}: ${worst?.error}`);
      await engine.release();
    });
  }

  test(`a small ${name}: timm's logits, of any number of images`, async (t) => {
    const weights = initFrom(weightsOf(golden), written.parameters, { origin: 'golden' });
    t.is(weights.naming, name === 'swin' ? "timm's Swin" : "timm's CaiT");
    t.deepEqual(weights.notes, []);
    const feeds = { images, ...Object.fromEntries(weights.values) };
    const { logits } = await run(written.graph('infer').outputs, feeds);
    t.is(logits?.length, golden.logits.length);
    for (const [i, value] of golden.logits.entries()) {
      t.true(Math.abs((logits?.[i] ?? Number.NaN) - value) < 1e-5, `${logits}`);
    }
  });
}
