/** Update rules (step/rules) by name, and as updates of one parameter array in place, for a loop of one's own. */
import { UserError } from '../errors.ts';
import { expectAt, expectNumber, expectOneOf } from '../expect.ts';
import { type Loop, loopOf } from './loops/loop.ts';
import { compileLoops, type RunLoop } from './loops/memory.ts';
import { numberOf } from './numbers.ts';
import { mul, type Num, type UpdateRule, type Vec } from './program.ts';
import { adabelief } from './rules/adabelief.ts';
import { adam, adamw, MOMENT_STARTS, type MomentStart } from './rules/adam.ts';
import { lion } from './rules/lion.ts';
import { radam } from './rules/radam.ts';
import { rmsprop } from './rules/rmsprop.ts';
import { sgd } from './rules/sgd.ts';

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

export interface OptimizerConfig {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly decay: number;
  readonly momentStart: MomentStart;
}

export const OPTIMIZER_NAMES = ['adamw', 'adam', 'radam', 'adabelief', 'lion', 'sgd', 'rmsprop'] as const;
/** For people. */
export const OPTIMIZER_TITLES: Readonly<Record<(typeof OPTIMIZER_NAMES)[number], string>> = {
  adamw: 'AdamW',
  adam: 'Adam',
  radam: 'RAdam',
  adabelief: 'AdaBelief',
  lion: 'Lion',
  sgd: 'SGD',
  rmsprop: 'RMSProp',
};
export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

const RULES: Readonly<Record<OptimizerName, (config: Partial<OptimizerConfig>) => UpdateRule>> = {
  ...{ adamw, adam, radam, adabelief, lion, sgd, rmsprop },
};

type OptimizerOptions = Partial<OptimizerConfig> & { readonly optimizer: OptimizerName };

/**
 * An update rule by name. What is left out has torch's defaults, but for a momentum of 0.9. Throws UserError for a name
 * or a number that is none.
 */
export function ruleOf(config: OptimizerOptions): UpdateRule {
  const { optimizer: name } = config;
  expectOneOf('createOptimizer: optimizer', name, OPTIMIZER_NAMES);
  const given = defined(config);
  for (const key of ['beta1', 'beta2', 'epsilon', 'momentum', 'decay'] as const) {
    if (given[key] !== undefined) expectNumber(`createOptimizer: ${key}`, given[key], { min: 0 });
  }
  if (given.momentStart !== undefined)
    expectOneOf('createOptimizer: momentStart', given.momentStart, MOMENT_STARTS);
  return RULES[name](given);
}

/** An update rule by name, for a training loop of one's own; names, defaults and errors are those of `ruleOf`. */
export function createOptimizer(config: OptimizerOptions): Optimizer {
  const rule = ruleOf(config);
  const update = updateOf(rule);
  return {
    name: config.optimizer,
    slots: rule.slots,
    update({ weightDecay = 0, gradScale = 1, ...given }) {
      const checked = { ...given, weightDecay, gradScale };
      expectUpdate(checked, rule.slots);
      update(checked);
    },
  };
}

/** A rule's formula as one fused loop over the arrays of a parameter, which `compile` makes ready to run. */
export function updateOf(
  rule: UpdateRule,
  compile: (loop: Loop) => RunLoop | undefined = (loop) => compileLoops([loop])[0],
): (update: Required<Update>) => void {
  const variable = (slot: string): Vec => ({ op: 'variable', slot });
  const scalar = (name: string): Num => ({ op: 'scalar', name, grouped: false });
  const named = <T>(names: readonly string[], of: (name: string) => T): Record<string, T> =>
    Object.fromEntries(names.map((name) => [name, of(name)]));
  const places = ['theta', ...rule.slots];
  const next = rule.next(
    { ...named(places, variable), theta: variable('theta'), g: mul(variable('g'), scalar('gradScale')) },
    { learningRate: scalar('learningRate'), weightDecay: scalar('weightDecay') },
    named(Object.keys(rule.scalars(1)), scalar),
  );
  const results = places.map((place) => next[place] ?? variable(place));
  const loop = loopOf({ kind: 'store', results }, (vec) => vec.op === 'variable');
  const run = compile(loop);
  return ({ param, grad, slots, count, ...numbers }) => {
    const arrays = [param, ...slots];
    const arrayOf = (vec: Vec): Float32Array =>
      vec.op === 'variable' && vec.slot !== 'g' ? expectAt(arrays, places.indexOf(vec.slot)) : grad;
    const known: Record<string, number> = { ...numbers, ...rule.scalars(count) };
    run?.({
      leaves: loop.leaves.map(arrayOf),
      results: arrays,
      numbers: loop.nums.map((num) =>
        numberOf(num, (given) => (given.op === 'scalar' ? known[given.name] : undefined) ?? Number.NaN),
      ),
    });
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
