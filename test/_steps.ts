/** A few steps of training from a seed, by the trainer of the host or of a device; also runs in a page. */

import { gradientOf } from '../scripts/bench/gradient.ts';
import { withRates } from '../src/artifacts/roles.ts';
import { configFor, type TrainConfig } from '../src/config/config.ts';
import type { Batch } from '../src/data/batch.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { createDeviceTrainer, type DeviceTrainerOptions } from '../src/run/device-trainer.ts';
import { createEngine } from '../src/run/engine.ts';
import { createHostTrainer } from '../src/run/host-trainer.ts';
import { planRun, stepPlanOf } from '../src/run/plan.ts';
import type { StepTold, Trainer } from '../src/run/trainer.ts';
import { VariableArrays } from '../src/run/variables.ts';
import type { Session } from '../src/runtime/session.ts';
import { exact } from '../src/step/regularizers/exact.ts';
import { none } from '../src/step/regularizers/none.ts';
import type { ImageSpec } from '../src/tasks/spec.ts';
import { imageGraphs, manifestOf } from './_networks.ts';

export interface Steps {
  readonly spec: ImageSpec;
  readonly batch: number;
  readonly count: number;
  /** Options of the config, besides a peak learning rate of 0.01. */
  readonly options: object;
}

export interface Taken {
  readonly records: readonly StepTold[];
  /** `parameters`, `mu` and `nu`: an array for each parameter. */
  readonly arrays: Readonly<Record<string, readonly Float32Array[]>>;
}

type Open = DeviceTrainerOptions['open'];
type Load = (model: Uint8Array) => Promise<Session>;

export async function stepsOnDevice(steps: Steps, open: Open): Promise<Taken> {
  const trainer = deviceTrainer(steps, open);
  const records: StepTold[] = [];
  for (let i = 0; i < steps.count; i++) records.push(await trainer.step(i, batchOf(steps, i)));
  await trainer.pull();
  await trainer.release();
  return taken(records, trainer);
}

export async function stepsInTrainer(steps: Steps, load: Load): Promise<Taken> {
  const { config, plan, manifest, graphs } = start(steps);
  const trainer = createHostTrainer({
    ...{ manifest, plan, batchSize: config.batchSize, seed: config.seed },
    load: (graph) => load(serialize(graphs.graph(graph))),
  });
  begin(trainer.variables);
  const records: StepTold[] = [];
  for (let i = 0; i < steps.count; i++) records.push(await trainer.step(i, batchOf(steps, i)));
  await trainer.release();
  return taken(records, trainer);
}

/** A trainer on a device, before its first step. */
export function deviceTrainer(steps: Steps, open: Open): Trainer {
  const { config, plan, manifest, graphs } = start(steps);
  const load = () => Promise.reject(new Error('test: a mean needs no graph of weights'));
  const trainer = createDeviceTrainer({ manifest, graphs, plan, seed: config.seed, open, load });
  begin(trainer.variables);
  return trainer;
}

/** The gradient of the first batch, regularized with λ = 0.05 where it is `exact`. */
export async function gradient(
  spec: ImageSpec,
  batch: number,
  kind: 'none' | 'exact',
  load: Load,
): Promise<readonly Float32Array[]> {
  const steps = { spec, batch, count: 1, options: { gr: kind } };
  const { manifest, graphs } = start(steps);
  const variables = new VariableArrays(manifest, 0);
  begin(variables);
  const engine = createEngine({
    ...{ manifest, variables, seed: 0 },
    load: (graph) => load(serialize(graphs.graph(graph))),
  });
  const isExact = kind === 'exact';
  const take = gradientOf({
    ...{ engine, variables, regularizer: isExact ? exact : none, whole: isExact },
    strengths: { lambda: 0.05 },
  });
  const { gradients } = await take(batchOf(steps, 0));
  await engine.release();
  return gradients;
}

/** What a run has before its first step. */
export function start({ spec, batch, options }: Steps) {
  const config: TrainConfig = configFor({ batchSize: batch, epochs: 2, learningRate: 0.01, ...options });
  const graphs = imageGraphs(spec, batch, config.memory ? { memory: config.memory } : {});
  return {
    config,
    plan: stepPlanOf(config, planRun(config, 10)),
    graphs,
    manifest: withRates(manifestOf(graphs), config),
  };
}

function begin(variables: VariableArrays): void {
  variables.initialize(3);
  // A head of zeros would pass no gradient on to the layers before it.
  const kernel = variables.array('head/kernel');
  kernel.set(kernel.map((_, i) => 0.2 * Math.sin(i)));
}

export function batchOf({ spec, batch }: Pick<Steps, 'spec' | 'batch'>, step: number): Batch {
  const { channels, height, width } = spec.image;
  const images = Float32Array.from({ length: batch * channels * height * width }, (_, i) =>
    Math.sin(0.37 * i + step),
  );
  const labels = Int32Array.from({ length: batch }, (_, i) => (3 * i + step) % spec.classes);
  const indices = Uint32Array.from({ length: batch }, (_, i) => i);
  return { epoch: 0, step, examples: batch, indices, fields: { images, labels } };
}

function taken(records: readonly StepTold[], { variables, slots }: Trainer): Taken {
  return { records, arrays: { parameters: variables.theta, ...slots } };
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
