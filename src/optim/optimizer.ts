/** Optimizers: updates of one parameter array in place. */
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
  /** 0 where the decay mask leaves the parameter out. */
  readonly weightDecay: number;
  /** Factor of the gradient, from clipping. */
  readonly gradScale: number;
}

export interface Optimizer {
  readonly name: OptimizerName;
  /** What is kept for every parameter element, by name; zeros at the start. */
  readonly slots: readonly string[];
  /** Changes `param` and `slots` in place. */
  update(update: Update): void;
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

const DEFAULTS: OptimizerConfig = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  momentum: 0.9,
  nesterov: false,
  decay: 0.99,
};

/** An optimizer by name. What is left out has torch's defaults, but for a momentum of 0.9. */
export function createOptimizer(
  config: Partial<OptimizerConfig> & { readonly optimizer: OptimizerName },
): Optimizer {
  return { name: config.optimizer, ...OPTIMIZERS[config.optimizer]({ ...DEFAULTS, ...config }) };
}
