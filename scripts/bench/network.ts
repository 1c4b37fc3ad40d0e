/** What every subject needs of a spec: weights, examples, and the cost of a forward pass. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type MemoryVariant, TaskGraphs } from '../../src/artifacts/graphs.ts';
import { describeTask, type Manifest } from '../../src/artifacts/manifest.ts';
import { openGraph } from '../../src/artifacts/store.node.ts';
import { UserError } from '../../src/errors.ts';
import { initialize, Scope } from '../../src/layers/scope.ts';
import { crossEntropy } from '../../src/losses/cross-entropy.ts';
import { PADDING } from '../../src/models/encoder.ts';
import { buildModel } from '../../src/models/index.ts';
import { type Graph, inlineCalls } from '../../src/onnx/graph.ts';
import { input, reduceMean } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { finish, PASS_NAMES } from '../../src/passes/finish.ts';
import { matmulFlops } from '../../src/passes/flops.ts';
import { drawMask } from '../../src/run/masks.ts';
import { encodeSafetensors } from '../../src/storage/safetensors.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { expectImageSpec, type ImageSpec, isOwnSpec, type OwnSpec } from '../../src/tasks/spec.ts';
import { tracePrediction } from '../../src/tasks/trace.ts';
import { madeUpBatch, type Range } from './made-up.ts';
import { peerNetwork, type VitModel } from './peer-network.ts';
import type { Job } from './protocol.ts';

export interface Network {
  /** Name and batch, for titles and the names of files. */
  readonly label: string;
  readonly spec: OwnSpec;
  readonly batch: number;
}

/** A Vision Transformer, whose depth, width and dropout can be changed. */
export interface VitNetwork extends Network {
  readonly spec: ImageSpec & { readonly model: VitModel };
}

/** Throws UserError where the graph's task is a user's module. */
export async function openNetwork(name: string, batch: number | undefined): Promise<Network> {
  const { spec } = await openGraph(name);
  if (!isOwnSpec(spec))
    throw new UserError(`--graphs ${name}: expected a graph of ours, got one of another model`);
  const size = batch ?? spec.microBatch;
  return { label: `${name} ×${size}`, spec, batch: size };
}

/** Throws UserError for another model. */
export function expectVit({ label, spec, batch }: Network): VitNetwork {
  if (spec.task === 'images' && spec.model.kind === 'vit')
    return { label, spec: { ...spec, model: spec.model }, batch };
  throw new UserError(`--graphs ${label}: expected a Vision Transformer, got the model ${spec.model.kind}`);
}

/** Floating-point operations of the forward pass's matrix products, before any pass: what passes save does not lower a rate. */
export function forwardFlops(spec: OwnSpec, batch: number): number {
  const { outputs } = tracePrediction(taskOf(spec), batch);
  const names = Object.keys(outputs);
  const values = inlineCalls(Object.values(outputs));
  const named = Object.fromEntries(values.map((value, i) => [names[i] ?? '', value]));
  return matmulFlops({ name: 'forward', inputs: [], outputs: named });
}

/** The loss of a classifier of images as standard ONNX, for others to differentiate. Throws UserError for other tasks. */
export function lossGraph(given: OwnSpec, batch: number): Graph {
  const spec = expectImageSpec(given, 'the graph of the loss alone');
  const scope = new Scope();
  const images = input('images', [batch, spec.image.channels, spec.image.height, spec.image.width]);
  const [logits] = inlineCalls([buildModel(scope, images, spec.classes, spec.model)]);
  if (!logits) throw new Error('internal: a model without logits');
  const [labels, smoothing] = [input('labels', [batch], 'int32'), input('label_smoothing', [])];
  const outputs = { loss: reduceMean(crossEntropy(logits, labels, { smoothing })) };
  const inputs = [images, labels, smoothing, ...scope.parameters.map(({ value }) => value)];
  return finish({ name: 'loss', inputs, outputs }, { target: 'webgpu', without: PASS_NAMES });
}

export type Inputs = Pick<Job, 'weights' | 'inputs' | 'manifest' | 'network' | 'batch'> & {
  readonly parameterCount: number;
};

/** Weights and examples for all sides, drawn from a seed. The head is not zero, so that no gradient is zero. */
export function writeInputs(
  { spec, batch }: Network,
  { microBatch, memory }: MemoryVariant,
  folder: string,
): Inputs {
  const manifest = describeForBench(
    new TaskGraphs(taskOf(spec), { batch: microBatch, memory, target: spec.target }),
  );
  const weights = manifest.variables.map(({ path: name, shape, init }) => {
    const data = new Float32Array(sizeOf(shape));
    initialize(data, name, shape, name === 'head/kernel' ? { kind: 'normal', std: 0.02 } : init, 0);
    return { name, shape, data };
  });
  const { fields } = madeUpBatch(manifest.fields, batch, rangesOf(spec));
  const masks = manifest.masks.map((mask) => ({
    name: mask.name,
    ...drawMask(mask, { seed: 0, step: 0, first: 0, count: batch }),
  }));
  const examples = Object.entries(fields).map(([name, data]) => ({
    name,
    shape: [batch, ...(manifest.fields[name]?.shape ?? [])],
    data,
  }));
  const files = {
    weights: path.join(folder, 'weights.safetensors'),
    inputs: path.join(folder, 'inputs.safetensors'),
  };
  writeFileSync(files.weights, Buffer.concat(encodeSafetensors(weights)));
  writeFileSync(files.inputs, Buffer.concat(encodeSafetensors([...examples, ...masks])));
  return {
    ...files,
    ...{ manifest, network: peerNetwork(spec), batch },
    parameterCount: weights.reduce((sum, { data }) => sum + data.length, 0),
  };
}

/** The integers of each field. Texts are without padding, so that all sides have all of the work. */
function rangesOf(spec: OwnSpec): Readonly<Record<string, Range>> {
  return {
    ...(spec.classes !== undefined && { labels: { first: 0, end: spec.classes } }),
    ...(spec.task === 'text' && { tokens: { first: PADDING + 1, end: spec.model.vocabulary } }),
  };
}

/** A manifest with the rates of a training run. The job names the files of its graphs. */
export function describeForBench(graphs: TaskGraphs): Manifest {
  return describeTask(graphs.task, graphs, {
    ...{ name: 'benchmark', hash: '' },
  });
}
