/** A few steps of training from a seed, by the engine and optimizer of node or on a device; also runs in a page. */
import { buildGraphs } from '../src/artifacts/build.ts';
import { describeGraphs } from '../src/artifacts/image-manifest.ts';
import { configFor, type TrainConfig } from '../src/config/config.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { createDeviceTrainer, type DeviceTrainerOptions } from '../src/run/images/device-trainer.ts';
import { createEngine } from '../src/run/images/engine.ts';
import { ParameterArrays, type WeightArrays } from '../src/run/images/parameters.ts';
import { createTrainer, planRun, type StepRecord, type TrainingBatch } from '../src/run/images/trainer.ts';
import type { Session } from '../src/runtime/session.ts';
import type { Spec } from '../src/tasks/spec.ts';

export interface Steps {
  readonly spec: Spec;
  readonly batch: number;
  readonly count: number;
  /** Options of the config, besides a peak learning rate of 0.01. */
  readonly options: object;
}

export interface Taken {
  readonly records: readonly StepRecord[];
  /** `parameters`, `mu` and `nu`: an array for each parameter. */
  readonly arrays: Readonly<Record<string, readonly Float32Array[]>>;
}

type Open = DeviceTrainerOptions['open'];
type Load = (model: Uint8Array) => Promise<Session>;

export async function stepsOnDevice(steps: Steps, open: Open): Promise<Taken> {
  const { config, plan, manifest, parameters } = start(steps);
  const trainer = createDeviceTrainer(config, plan, manifest, parameters, { spec: steps.spec, open });
  const records: StepRecord[] = [];
  for (let i = 0; i < steps.count; i++) records.push(await trainer.step(i, batchOf(steps, i)));
  await trainer.pull();
  await trainer.release();
  return taken(records, parameters, trainer.slots);
}

export async function stepsInTrainer(steps: Steps, load: Load): Promise<Taken> {
  const { config, plan, manifest, parameters, built } = start(steps);
  const engine = createEngine({
    manifest,
    parameters,
    kind: config.gr,
    labelSmoothing: config.labelSmoothing,
    load: (graph) => load(serialize(built.graphs[graph])),
  });
  const trainer = createTrainer(config, plan, manifest, parameters, engine);
  const records: StepRecord[] = [];
  for (let i = 0; i < steps.count; i++) records.push(await trainer.step(i, batchOf(steps, i)));
  await engine.release();
  return taken(records, parameters, trainer.slots);
}

/** The gradient of the first batch, regularized with λ = 0.05 where it is `exact`. */
export async function gradient(
  spec: Spec,
  batch: number,
  kind: 'none' | 'exact',
  load: Load,
): Promise<readonly Float32Array[]> {
  const steps = { spec, batch, count: 1, options: { gr: kind } };
  const { manifest, parameters, built } = start(steps);
  const engine = createEngine({
    ...{ manifest, parameters, kind, labelSmoothing: 0 },
    load: (graph) => load(serialize(built.graphs[graph])),
  });
  const regularizer = { active: kind === 'exact', lambda: 0.05, r: 0, alpha: 0 };
  const { gradients } = await engine.gradient(batchOf(steps, 0), regularizer);
  await engine.release();
  return gradients;
}

/** What a run has before its first step. */
export function start({ spec, batch, options }: Steps) {
  const config: TrainConfig = configFor({ batchSize: batch, epochs: 2, learningRate: 0.01, ...options });
  const built = buildGraphs(spec, batch);
  const manifest = describeGraphs('steps', spec, built, batch, '');
  const parameters = new ParameterArrays(manifest);
  parameters.initialize(3);
  // A head of zeros would pass no gradient on to the layers before it.
  const head = manifest.parameters.findIndex(({ path }) => path === 'head/kernel');
  const kernel = parameters.values.views[head];
  kernel?.set(kernel.map((_, i) => 0.2 * Math.sin(i)));
  return { config, plan: planRun(config, 10), built, manifest, parameters };
}

export function batchOf({ spec, batch }: Pick<Steps, 'spec' | 'batch'>, step: number): TrainingBatch {
  const { channels, height, width } = spec.image;
  return {
    epoch: 0,
    step,
    images: Float32Array.from({ length: batch * channels * height * width }, (_, i) =>
      Math.sin(0.37 * i + step),
    ),
    labels: Int32Array.from({ length: batch }, (_, i) => (3 * i + step) % spec.classes),
  };
}

function taken(
  records: readonly StepRecord[],
  { values }: ParameterArrays,
  slots: Readonly<Record<string, WeightArrays>>,
): Taken {
  const arrays = Object.entries({ parameters: values, ...slots });
  return { records, arrays: Object.fromEntries(arrays.map(([name, { views }]) => [name, views])) };
}

/** The l2 norm. */
export const norm = (values: Iterable<number>): number => Math.hypot(...values);

export interface Difference {
  readonly name: string;
  /** The l2 norm of the difference, relative to the expected tensor, or to all tensors where that one is almost 0. */
  readonly error: number;
}

/** How far tensors are from the expected ones, the furthest first. `isNoise` says which are almost 0. */
export function differences(
  got: readonly Float32Array[],
  expected: readonly Float32Array[],
  names: readonly string[],
  isNoise: readonly boolean[] = noise(expected),
): Difference[] {
  const whole = norm(expected.map(norm));
  return expected
    .map((wanted, k) => {
      const error = norm(wanted.map((x, i) => x - (got[k]?.[i] ?? Number.NaN)));
      return { name: names[k] ?? '', error: error / (isNoise[k] ? whole : norm(wanted)) };
    })
    .sort((a, b) => b.error - a.error);
}

/** Which tensors are 0 but for rounding, as the gradients of key biases are. */
export function noise(tensors: readonly Float32Array[]): boolean[] {
  const whole = norm(tensors.map(norm));
  return tensors.map((tensor) => norm(tensor) < 1e-6 * whole);
}
