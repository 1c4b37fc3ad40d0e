/**
 * The training step on the device: parameters and the optimizer's slots stay there, one graph takes them through gradient,
 * regularizer, clipping and update, and five numbers come back. Also for browsers.
 */
import { buildStep, parameterLayout } from '../../artifacts/build.ts';
import type { Manifest } from '../../artifacts/image-manifest.ts';
import type { TrainConfig } from '../../config/config.ts';
import { UserError } from '../../errors.ts';
import { serialize } from '../../onnx/serialize.ts';
import { FLAGS, type OptionNames, setting } from '../../option-names.ts';
import type { DeviceState, NextState, ResidentSession, Tensor } from '../../runtime/session.ts';
import { ruleOf } from '../../step/optimizer.ts';
import { type Regularizer, traceStep, type UpdateRule } from '../../step/program.ts';
import type { Spec } from '../../tasks/spec.ts';
import { regularizerOf, strengthsOf } from './engine.ts';
import type { ParameterArrays, WeightArrays } from './parameters.ts';
import {
  expectFinite,
  type Measured,
  type Plan,
  stepNumbers,
  stepRecord,
  type Trainer,
  type TrainingBatch,
} from './trainer.ts';

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
  expectDeviceOptions(config, names);
  const memory = config.memory ?? 'fast';
  const rule = ruleOf(config);
  const layout = parameterLayout(manifest.parameters);
  const slots = Object.fromEntries(rule.slots.map((slot) => [slot, parameters.allocate()]));
  const arrays: Readonly<Record<string, WeightArrays>> = { theta: parameters.values, ...slots };
  const next = Object.fromEntries(Object.keys(arrays).map((name) => [name, `${name}_next`]));
  const sessions = new Map<string, Promise<ResidentSession>>();
  let state: DeviceState | undefined;

  const session = (regularizer: Regularizer): Promise<ResidentSession> => {
    const write = (): Uint8Array =>
      serialize(buildStep(spec, config.batchSize, traceStep({ regularizer, rule }), { memory }));
    const loaded = sessions.get(regularizer.name) ?? open(write(), next);
    sessions.set(regularizer.name, loaded);
    return loaded;
  };
  const free = async (kinds: Iterable<string>): Promise<void> => {
    for (const kind of [...kinds]) {
      const loaded = sessions.get(kind);
      sessions.delete(kind);
      await (await loaded)?.release();
    }
  };

  return {
    rule,
    slots,
    async step(step, batch) {
      const regularizer = regularizerOf(config.gr, plan.regularizer(step));
      const current = await session(regularizer);
      state ??= current.upload(
        Object.fromEntries(
          Object.entries(arrays).map(([name, { views }]) => [name, vector(layout.pack(views))]),
        ),
      );
      const result = await current.run(state, {
        ...batchFeeds(batch, manifest),
        ...stepScalars(config, plan, step, rule, regularizer),
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
      await free([...sessions.keys()].filter((other) => other !== regularizer.name));
      return stepRecord(config, plan, step, batch, measured);
    },
    async pull() {
      const tensors = (await state?.read()) ?? {};
      for (const [name, { data }] of Object.entries(tensors)) {
        const to = arrays[name];
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

/** The inputs of a step's graph that are numbers. */
function stepScalars(
  config: TrainConfig,
  plan: Plan,
  step: number,
  rule: UpdateRule,
  regularizer: Regularizer,
): Record<string, Tensor> {
  const strengths = strengthsOf(plan.regularizer(step));
  const numbers = {
    label_smoothing: config.labelSmoothing,
    learningRate: plan.learningRate(step),
    weightDecay: config.weightDecay,
    ...stepNumbers(config, rule, step),
    ...Object.fromEntries(regularizer.scalars.map((name) => [name, strengths[name] ?? 0])),
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

/** Throws UserError for options that a step on the device does not have. */
export function expectDeviceOptions(config: TrainConfig, names: OptionNames = FLAGS): void {
  const { batchSize, microBatch, diagnosticsEvery, hessianEvery } = config;
  const elsewhere = setting(names, 'device', 'cpu');
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
}
