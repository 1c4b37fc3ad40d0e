/** Optimizers: updates of one parameter array in place. */
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { adam, adamw } from './adam.ts';
import { rmsprop } from './rmsprop.ts';
import { sgd } from './sgd.ts';

/** One parameter's arrays, all of its size, and the numbers of this step. */
export interface Update {
  readonly param: Float32Array;
  readonly grad: Float32Array;
  /** The optimizer's state of this parameter, in the order of `slots`. */
  readonly slots: readonly Float32Array[];
  readonly learningRate: number;
  /** Steps taken, this one included: 1 at the first. */
  readonly count: number;
  /** 0 where the decay mask leaves the parameter out, and where it is not given. */
  readonly weightDecay?: number;
  /** Factor of the gradient, from clipping; 1 where it is not given. */
  readonly gradScale?: number;
}

/** An update rule, and what it keeps for each parameter. */
export interface Optimizer {
  readonly name: OptimizerName;
  /** The names of the arrays that it keeps for each parameter, of the parameter's size; all zeros at the start. */
  readonly slots: readonly string[];
  /** Changes `param` and `slots` in place. Throws UserError where an array or a number does not fit. */
  update(update: Update): void;
}

/** An update rule, given updates that are checked and complete. */
export interface UpdateRule {
  readonly slots: readonly string[];
  update(update: Required<Update>): void;
}

export interface OptimizerConfig {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly decay: number;
}

const OPTIMIZERS = { adamw, adam, sgd, rmsprop } as const;
export type OptimizerName = keyof typeof OPTIMIZERS;
const OPTIMIZER_NAMES = ['adamw', 'adam', 'sgd', 'rmsprop'] as const satisfies readonly OptimizerName[];

const DEFAULTS: OptimizerConfig = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  momentum: 0.9,
  nesterov: false,
  decay: 0.99,
};

/**
 * An optimizer by name. What is left out has torch's defaults, but for a momentum of 0.9. Throws UserError for a name
 * or a number that is none.
 */
export function createOptimizer(
  config: Partial<OptimizerConfig> & { readonly optimizer: OptimizerName },
): Optimizer {
  const { optimizer: name } = config;
  expectOneOf('createOptimizer: optimizer', name, OPTIMIZER_NAMES);
  const complete = { ...DEFAULTS, ...defined(config) };
  for (const key of ['beta1', 'beta2', 'epsilon', 'momentum', 'decay'] as const) {
    expectNumber(`createOptimizer: ${key}`, complete[key], { min: 0 });
  }
  const { slots, update } = OPTIMIZERS[name](complete);
  return {
    name,
    slots,
    update({ weightDecay = 0, gradScale = 1, ...given }) {
      const checked = { ...given, weightDecay, gradScale };
      expectUpdate(checked, slots);
      update(checked);
    },
  };
}

/** A loop that reads beyond an array's end, or computes with a number that is none, puts NaN into the weights. */
function expectUpdate(update: Required<Update>, slotNames: readonly string[]): void {
  const { param, grad, slots } = update;
  const arrays = Object.entries({
    param,
    grad,
    ...Object.fromEntries(slotNames.map((name, i) => [`slots: ${name}`, slots?.[i]])),
  });
  for (const [what, array] of arrays) {
    if (array instanceof Float32Array && array.length === param.length) continue;
    const size = param instanceof Float32Array ? ` of ${param.length} elements, as param has` : '';
    const got = array instanceof Float32Array ? `${array.length} elements` : typeof array;
    throw new UserError(`update: ${what}: expected a Float32Array${size}, got ${got}`);
  }
  expectNumber('update: count', update.count, { min: 1, isInteger: true });
  for (const name of ['learningRate', 'weightDecay', 'gradScale'] as const) {
    expectNumber(`update: ${name}`, update[name]);
  }
}

/** Without what is given as undefined, which would replace a default. */
function defined<T extends object>(values: T): Partial<T> {
  const copy: Partial<T> = { ...values };
  for (const key in copy) if (copy[key] === undefined) delete copy[key];
  return copy;
}
