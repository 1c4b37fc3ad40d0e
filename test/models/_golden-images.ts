/** Small networks of images with weights by formula, and PyTorch's numbers for them (scripts/peers/torch_resnet.py, torch_cnns.py). */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { GraphName, TaskGraphs } from '../../src/artifacts/graphs.ts';
import type { Batch } from '../../src/data/batch.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import type { VariableArrays } from '../../src/run/variables.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Session } from '../../src/runtime/session.ts';
import { imageGraphs, imageSpec, manifestOf } from '../_networks.ts';

const byPath = v.record(v.string(), v.array(v.number()));
const Golden = v.object({
  /** As a spec has it. */
  model: v.record(v.string(), v.unknown()),
  image: v.object({ channels: v.number(), height: v.number(), width: v.number() }),
  ...{ batch: v.number(), classes: v.number(), lambda: v.number(), steps: v.number(), rate: v.number() },
  /** Of waves' places: 2 where their frequency grows. */
  power: v.optional(v.number(), 1),
  ...{ loss: v.number(), grad_norm: v.number(), last_loss: v.number(), logits: v.array(v.number()) },
  ...{ gradient: byPath, exact: byPath, state: byPath },
  /** Logits with running statistics by formula. */
  evaluated: v.optional(v.array(v.number())),
});
export type Golden = v.InferOutput<typeof Golden>;

/** By name, those of a file in test/goldens. */
export function readGoldens(file: string): Readonly<Record<string, Golden>> {
  const url = new URL(`../goldens/${file}.json`, import.meta.url);
  return v.parse(v.record(v.string(), Golden), JSON.parse(readFileSync(url, 'utf8')));
}

/** What a golden has of a long tensor: its sums with waves, as `short` of torch_cnns.py. */
const WAVES = 24;
export function asStored(values: Float32Array, stored: number): Float32Array {
  if (values.length === stored || stored !== WAVES) return values;
  return Float32Array.from({ length: WAVES }, (_, j) =>
    values.reduce((sum, x, i) => sum + x * Math.sin((0.7 + 0.1 * j) * i + j), 0),
  );
}

export function openGolden({ model, image, classes, batch }: Golden) {
  const spec = imageSpec({
    dataset: 'cifar10',
    ...{ image, classes },
    // ResNets came first: theirs do not say so.
    model: { kind: 'resnet', ...model },
    microBatch: batch,
  });
  const graphs: TaskGraphs = imageGraphs(spec, batch);
  const load = (graph: GraphName): Promise<Session> =>
    createSession(serialize(graphs.graph(graph)), { device: 'cpu', threads: 1 });
  return { spec, graphs, manifest: manifestOf(graphs), load };
}

/** Sets the golden's weights; state starts as its init says. */
export function setWeights(variables: VariableArrays, { gradient, power }: Golden): void {
  variables.initialize(0);
  Object.keys(gradient).forEach((path, k) => {
    const wave = (i: number) => Math.sin(1.7 * i ** power + 0.9 * k + 0.3);
    const values = variables.array(path);
    values.set(values.map((_, i) => (path.endsWith('scale') ? 1 + 0.1 * wave(i) : 0.3 * wave(i))));
  });
}

export function goldenBatch({ image, batch, classes, power }: Golden, step: number): Batch {
  const size = image.channels * image.height * image.width;
  return {
    fields: {
      images: Float32Array.from({ length: batch * size }, (_, i) => Math.sin(0.37 * i ** power + step)),
      labels: Int32Array.from({ length: batch }, (_, i) => (3 * i + step) % classes),
    },
    examples: batch,
    indices: Uint32Array.from({ length: batch }, (_, i) => i),
    epoch: 0,
    step,
  };
}
