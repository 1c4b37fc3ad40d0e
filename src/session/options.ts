/** What a session is created with beside its files. Also for browsers. */
import { nearestName, show, UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { DEVICES, type Device, type SessionOptions } from '../runtime/session.ts';
import type { Schedule } from '../step/schedule.ts';
import type { GrChoice, OptimizerOption } from './rules.ts';

/** Options of a session; each has a default, which the artifacts say where they can. */
export interface TrainingSessionOptions {
  /** Where graphs run: `cpu`, which is WebAssembly in a page, `webgpu` or `cuda`. */
  readonly device?: Device;
  /** The same as ONNX Runtime says it; the first that there is counts, as does `device` before it. */
  readonly executionProviders?: readonly (string | { readonly name: string })[];
  /** Threads within an operator; 0 takes all cores. Where it is left out a small model takes one, a larger one all. */
  readonly threads?: number;
  /** In a page: where ONNX Runtime's files are, if the bundler did not put them beside its script. */
  readonly wasmPaths?: SessionOptions['wasmPaths'];
  /** In place of the artifacts' optimizer: by name, `og.sgd({ learningRate: 0.1 })`, or one of your own. */
  readonly optimizer?: OptimizerOption;
  /** In place of the optimizer's. */
  readonly learningRate?: number;
  /** The learning rate of an optimizer step, counted from 0: `og.learningRateSchedule(…)`. In place of a constant one. */
  readonly schedule?: Schedule;
  /** In place of the optimizer's. */
  readonly weightDecay?: number;
  /** The largest norm of the gradient that a step goes along; 0 does not clip. */
  readonly clip?: number;
  /** In place of the artifacts' gradient regularization: by name, `og.exactGr({ lambda: 0.05 })`, or one of your own. */
  readonly gr?: GrChoice;
  /** Optimizer steps over which the regularizer's warmup goes; 0 where it is left out. */
  readonly warmupSteps?: number;
  /** Of dropout and the like; 0 where it is left out. */
  readonly seed?: number;
  /** Examples that go through the model at once, where the artifacts' task is at hand; the whole batch where it is left out. */
  readonly microBatch?: number;
}

const OPTIONS = {
  device: true,
  executionProviders: true,
  threads: true,
  wasmPaths: true,
  optimizer: true,
  learningRate: true,
  schedule: true,
  weightDecay: true,
  clip: true,
  gr: true,
  warmupSteps: true,
  seed: true,
  microBatch: true,
} as const satisfies Record<keyof TrainingSessionOptions, true>;

/** ONNX Runtime's options of a session that mean nothing here: taken, and not used. */
const NOT_USED = [
  ...['intraOpNumThreads', 'interOpNumThreads', 'freeDimensionOverrides', 'graphOptimizationLevel'],
  ...['enableCpuMemArena', 'enableMemPattern', 'executionMode', 'optimizedModelFilePath', 'enableProfiling'],
  ...['profileFilePrefix', 'logId', 'logSeverityLevel', 'logVerbosityLevel', 'preferredOutputLocation'],
  ...['enableGraphCapture', 'extra', 'externalData'],
];

/** Throws UserError for what is no options, or has one that does not exist. */
export function expectSessionOptions(options: unknown): asserts options is TrainingSessionOptions {
  if (typeof options !== 'object' || options === null)
    throw new UserError(`TrainingSession.create: options: expected an object, got ${show(options)}`);
  const names = Object.keys(OPTIONS);
  const unknown = Object.keys(options).find((name) => !names.includes(name) && !NOT_USED.includes(name));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, names);
    throw new UserError(
      `TrainingSession.create: there is no option ${unknown}${nearest ? `; did you mean ${nearest}?` : `; there are ${names.join(', ')}`}`,
    );
  }
  for (const name of ['threads', 'learningRate', 'weightDecay', 'clip', 'seed'] as const) {
    const value: unknown = Reflect.get(options, name);
    if (value !== undefined) expectNumber(name, value, { min: 0, isInteger: /threads|seed/.test(name) });
  }
  const microBatch: unknown = Reflect.get(options, 'microBatch');
  if (microBatch !== undefined) expectNumber('microBatch', microBatch, { min: 1, isInteger: true });
  const schedule: unknown = Reflect.get(options, 'schedule');
  if (schedule !== undefined && typeof schedule !== 'function')
    throw new UserError(`schedule: expected a function of the step, got ${show(schedule)}`);
}

/** The device that is asked for. Throws UserError for one that there is not. */
export function deviceOf({ device, executionProviders }: TrainingSessionOptions): Device {
  if (device !== undefined) {
    expectOneOf('device', device, DEVICES);
    return device;
  }
  if (executionProviders === undefined) return 'cpu';
  const names = executionProviders.map((provider) =>
    typeof provider === 'string' ? provider : provider?.name,
  );
  const found = names
    .map((name) => (name === 'wasm' ? 'cpu' : name))
    .map((name) => DEVICES.find((each) => each === name))
    .find((each) => each !== undefined);
  if (found) return found;
  throw new UserError(
    `executionProviders: expected one of wasm, ${DEVICES.join(', ')}, got ${show(names)}; training runs on these`,
  );
}
