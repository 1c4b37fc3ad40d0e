/**
 * The training step on the device: parameters and Adam's moments stay there, one graph takes them through gradient,
 * regularizer, clipping and update, and five numbers come back. Also for browsers.
 */
import { buildStep, type StepKind } from '../artifacts/build.ts';
import { FlatLayout } from '../artifacts/flat.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import type { Spec } from '../artifacts/spec.ts';
import type { AdamConfig } from '../artifacts/step.ts';
import { UserError } from '../errors.ts';
import { serialize } from '../onnx/serialize.ts';
import type { GrState } from '../optim/gr-warmup.ts';
import { createOptimizer } from '../optim/optimizer.ts';
import { FLAGS, type OptionNames, setting } from '../option-names.ts';
import type { DeviceState, NextState, ResidentSession, Tensor } from '../runtime/session.ts';
import type { TrainConfig } from './config.ts';
import type { ParameterArrays } from './parameters.ts';
import {
  expectFinite,
  type Measured,
  type Plan,
  stepRecord,
  type Trainer,
  type TrainingBatch,
} from './trainer.ts';

const NEXT: NextState = { parameters: 'parameters_next', mu: 'mu_next', nu: 'nu_next' };

/** Stands for no clipping: its quotient by a norm is still a float32. */
const NO_CLIP = 1e30;

export interface DeviceTrainer extends Trainer {
  /** Copies the state from the device into `parameters.values` and `slots`. */
  pull(): Promise<void>;
  release(): Promise<void>;
}

export interface DeviceTrainerOptions {
  /** Its target must suit the device. */
  readonly spec: Spec;
  /** Loads a graph of which the outputs in `next` stay on the device. */
  readonly open: (model: Uint8Array, next: NextState) => Promise<ResidentSession>;
  /** How errors name options; by their flags by default. */
  readonly names?: OptionNames;
}

/**
 * A trainer whose steps begin with what `parameters` and `slots` hold at the first of them; later they hold what was
 * last pulled. Throws UserError for options that such a step does not have.
 */
export function createDeviceTrainer(
  config: TrainConfig,
  plan: Plan,
  manifest: Pick<Manifest, 'parameters' | 'image'>,
  parameters: ParameterArrays,
  { spec, open, names = FLAGS }: DeviceTrainerOptions,
): DeviceTrainer {
  const adam = expectDeviceOptions(config, names);
  const memory = config.memory ?? 'fast';
  const optimizer = createOptimizer(config);
  const layout = new FlatLayout(manifest.parameters);
  const slots = { mu: parameters.allocate(), nu: parameters.allocate() };
  const arrays = { parameters: parameters.values, ...slots };
  const sessions = new Map<StepKind, Promise<ResidentSession>>();
  let state: DeviceState | undefined;

  const session = (kind: StepKind): Promise<ResidentSession> => {
    const loaded =
      sessions.get(kind) ?? open(serialize(buildStep(spec, config.batchSize, kind, adam, { memory })), NEXT);
    sessions.set(kind, loaded);
    return loaded;
  };
  const free = async (kinds: Iterable<StepKind>): Promise<void> => {
    for (const kind of [...kinds]) {
      const loaded = sessions.get(kind);
      sessions.delete(kind);
      await (await loaded)?.release();
    }
  };

  return {
    optimizer,
    slots,
    async step(step, batch) {
      const kind = kindOf(config, plan.regularizer(step));
      const current = await session(kind);
      state ??= current.upload(
        Object.fromEntries(
          Object.entries(arrays).map(([name, { views }]) => [name, vector(layout.pack(views))]),
        ),
      );
      const result = await current.run(state, {
        ...batchFeeds(batch, manifest),
        ...stepScalars(config, plan, step, kind),
      });
      const measured = measuredOf(result.outputs);
      try {
        expectFinite(config, step, batch, measured, names);
      } catch (error) {
        result.state.dispose(); // the state of before the step is the better one
        throw error;
      }
      state.dispose();
      state = result.state;
      // Warmup is over, and the memory of its graph is of more use elsewhere.
      await free([...sessions.keys()].filter((other) => other !== kind));
      return stepRecord(config, plan, step, batch, measured);
    },
    async pull() {
      const tensors = (await state?.read()) ?? {};
      for (const [name, { data }] of Object.entries(tensors)) {
        const to = Object.entries(arrays).find(([array]) => array === name)?.[1];
        if (!to || !(data instanceof Float32Array)) throw new Error(`internal: a state with ${name}`);
        layout.unpack(data, to.views);
      }
    },
    async release() {
      state?.dispose();
      state = undefined;
      await free(sessions.keys());
    },
  };
}

function kindOf({ gr }: TrainConfig, { active }: GrState): StepKind {
  if (!active || gr === 'none') return 'none';
  return gr === 'exact' ? 'exact' : 'fd';
}

function batchFeeds(
  { images, labels }: TrainingBatch,
  { image }: Pick<Manifest, 'image'>,
): Record<string, Tensor> {
  const shape = [labels.length, image.channels, image.height, image.width];
  return {
    images: { dtype: 'float32', shape, data: images },
    labels: { dtype: 'int32', shape: [labels.length], data: labels },
  };
}

/** The inputs of a step's graph that are numbers, but for those of the regularizers that it does not have. */
function stepScalars(
  { beta1, beta2, weightDecay, clip, labelSmoothing, optimizer }: TrainConfig,
  plan: Plan,
  step: number,
  kind: StepKind,
): Record<string, Tensor> {
  const learningRate = plan.learningRate(step);
  const { lambda, r, alpha } = plan.regularizer(step);
  const count = step + 1;
  const numbers = {
    label_smoothing: labelSmoothing,
    step_size: learningRate / (1 - beta1 ** count),
    correction: 1 / Math.sqrt(1 - beta2 ** count),
    decay: optimizer === 'adamw' ? learningRate * weightDecay : weightDecay,
    clip: clip > 0 ? clip : NO_CLIP,
    ...(kind === 'exact' ? { lambda } : {}),
    ...(kind === 'fd' ? { r, alpha } : {}),
  };
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]): [string, Tensor] => [
      name,
      { dtype: 'float32', shape: [], data: Float32Array.of(value) },
    ]),
  );
}

function measuredOf({ scores }: Readonly<Record<string, Tensor>>): Measured {
  if (!(scores?.data instanceof Float32Array)) throw new Error('internal: the graph gave no scores');
  const [loss = Number.NaN, gradNorm = Number.NaN, grGradNorm = Number.NaN, top1 = 0, top5 = 0] = scores.data;
  return { loss, gradNorm, grGradNorm, top1, top5 };
}

function vector(data: Float32Array): Tensor {
  return { dtype: 'float32', shape: [data.length], data };
}

/** The optimizer of a step on the device. Throws UserError for options that such a step does not have. */
export function expectDeviceOptions(config: TrainConfig, names: OptionNames = FLAGS): AdamConfig {
  const { optimizer, batchSize, microBatch, diagnosticsEvery, hessianEvery, beta1, beta2, epsilon } = config;
  const elsewhere = setting(names, 'device', 'cpu');
  if (optimizer !== 'adamw' && optimizer !== 'adam') {
    throw new UserError(
      `${setting(names, 'optimizer', optimizer)}: a step on the device is that of adamw or adam; take one of them, or ${elsewhere}`,
    );
  }
  if (microBatch !== 0 && microBatch !== batchSize) {
    throw new UserError(
      `${setting(names, 'microBatch', microBatch)}: a step on the device takes the whole batch of ${batchSize} at once; leave it out, lower ${names.option('batchSize')}, or take ${elsewhere}`,
    );
  }
  for (const [key, every] of Object.entries({ diagnosticsEvery, hessianEvery })) {
    if (every > 0) {
      throw new UserError(
        `${setting(names, key, every)}: the gradient of a step on the device stays there, where diagnostics cannot read it; leave it out, or take ${elsewhere}`,
      );
    }
  }
  return { optimizer, beta1, beta2, epsilon };
}
