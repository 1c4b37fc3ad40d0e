/** What every subject needs of a spec: sizes, weights, images, and the cost of a forward pass. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type MemoryVariant, TaskGraphs } from '../../src/artifacts/graphs.ts';
import { describeTask, type Manifest } from '../../src/artifacts/manifest.ts';
import { openGraph } from '../../src/artifacts/store.node.ts';
import { UserError } from '../../src/errors.ts';
import { initialize, Scope } from '../../src/layers/scope.ts';
import { crossEntropy } from '../../src/losses/cross-entropy.ts';
import { buildModel } from '../../src/models/index.ts';
import { VIT_VARIANTS } from '../../src/models/vit.ts';
import { type Graph, inlineCalls } from '../../src/onnx/graph.ts';
import { input, reduceMean } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { finish, PASS_NAMES } from '../../src/passes/finish.ts';
import { matmulFlops } from '../../src/passes/flops.ts';
import { Random } from '../../src/random.ts';
import { drawMask } from '../../src/run/masks.ts';
import { encodeSafetensors } from '../../src/storage/safetensors.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { expectImageSpec, type ImageSpec } from '../../src/tasks/spec.ts';
import type { Job } from './protocol.ts';

type VitModel = Extract<ImageSpec['model'], { readonly kind: 'vit' }>;

export interface Network {
  /** Name and batch, for titles and the names of files. */
  readonly label: string;
  readonly spec: ImageSpec & { readonly model: VitModel };
  readonly batch: number;
}

export async function openNetwork(name: string, batch: number | undefined): Promise<Network> {
  const spec = expectImageSpec((await openGraph(name)).spec, `--graphs ${name}`);
  const { model } = spec;
  if (model.kind !== 'vit')
    throw new UserError(`--graphs ${name}: expected a Vision Transformer, got the model ${model.kind}`);
  const size = batch ?? spec.microBatch;
  return { label: `${name} ×${size}`, spec: { ...spec, model }, batch: size };
}

export function sizesOf({ variant, width, layers, heads, mlpRatio }: VitModel) {
  const row = variant ? VIT_VARIANTS[variant] : { width: 0, layers: 0, heads: 0 };
  const columns = width ?? row.width;
  return {
    width: columns,
    layers: layers ?? row.layers,
    heads: heads ?? row.heads,
    mlp: Math.round(columns * mlpRatio),
  };
}

/** The model before any pass. Rates count all of its work, so that a pass which leaves work out does not lower it. */
function forward({ image, classes, model }: ImageSpec, batch: number) {
  const scope = new Scope();
  const images = input('images', [batch, image.channels, image.height, image.width]);
  const [logits] = inlineCalls([buildModel(scope, images, classes, model)]);
  if (!logits) throw new Error('internal: a model without logits');
  return { images, logits, parameters: scope.parameters };
}

/** Floating-point operations of the forward pass's matrix products. */
export function forwardFlops(spec: ImageSpec, batch: number): number {
  const { logits } = forward(spec, batch);
  return matmulFlops({ name: 'forward', inputs: [], outputs: { logits } });
}

/** The loss as standard ONNX, for others to differentiate. */
export function lossGraph(spec: ImageSpec, batch: number): Graph {
  const { images, logits, parameters } = forward(spec, batch);
  const [labels, smoothing] = [input('labels', [batch], 'int32'), input('label_smoothing', [])];
  const outputs = { loss: reduceMean(crossEntropy(logits, labels, { smoothing })) };
  const inputs = [images, labels, smoothing, ...parameters.map(({ value }) => value)];
  return finish({ name: 'loss', inputs, outputs }, { target: 'webgpu', without: PASS_NAMES });
}

export type Inputs = Pick<
  Job,
  'weights' | 'inputs' | 'manifest' | 'model' | 'image' | 'classes' | 'batch'
> & {
  readonly parameterCount: number;
};

/** Weights and images for all sides, drawn from a seed. The head is not zero, so that no gradient is zero. */
export function writeInputs(
  { spec, batch }: Network,
  { microBatch, memory }: MemoryVariant,
  folder: string,
): Inputs {
  const { image, classes, model } = spec;
  const { parameters } = forward(spec, 1);
  const weights = parameters.map(({ path: name, shape, init }) => {
    const data = new Float32Array(sizeOf(shape));
    initialize(data, name, shape, name === 'head/kernel' ? { kind: 'normal', std: 0.02 } : init, 0);
    return { name, shape, data };
  });
  const random = new Random(0, 'sample');
  const imageShape = [batch, image.channels, image.height, image.width];
  const images = Float32Array.from({ length: sizeOf(imageShape) }, () => random.normal());
  const labels = Int32Array.from({ length: batch }, () => random.integer(classes));
  const files = {
    weights: path.join(folder, 'weights.safetensors'),
    inputs: path.join(folder, 'inputs.safetensors'),
  };
  const manifest = describeForBench(
    new TaskGraphs(taskOf(spec), { batch: microBatch, memory, target: spec.target }),
  );
  const masks = manifest.masks.map((mask) => ({
    name: mask.name,
    ...drawMask(mask, { seed: 0, step: 0, first: 0, count: batch }),
  }));
  writeFileSync(files.weights, Buffer.concat(encodeSafetensors(weights)));
  writeFileSync(
    files.inputs,
    Buffer.concat(
      encodeSafetensors([
        { name: 'images', shape: imageShape, data: images },
        { name: 'labels', shape: [batch], data: labels },
        ...masks,
      ]),
    ),
  );
  return {
    ...files,
    manifest,
    model: {
      ...{ patch: model.patch, ...sizesOf(model), pool: model.pool, activation: model.activation },
      dropout: model.dropout ?? 0,
    },
    image,
    classes,
    batch,
    parameterCount: weights.reduce((sum, { data }) => sum + data.length, 0),
  };
}

/** A manifest with the rates of a training run. The job names the files of its graphs. */
export function describeForBench(graphs: TaskGraphs): Manifest {
  return describeTask(graphs.task, graphs, {
    ...{ name: 'benchmark', hash: '' },
  });
}
