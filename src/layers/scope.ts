/** Variables by path, random inputs, state: what a model and its loss hand around besides values. */
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { input, scalar } from '../onnx/ops.ts';
import { sameShape, show, sizeOf } from '../onnx/shapes.ts';
import type { Shape, Value } from '../onnx/value.ts';
import { Random } from '../random.ts';

/**
 * How a parameter starts. `xavier-uniform` (Glorot & Bengio 2010) and `he-normal` (He et al., *Delving Deep into
 * Rectifiers*, 2015: deviation √(2/fan)) are of a kernel [..., in, out], whose fans are in and out times the axes before.
 * `lecun-normal` (LeCun et al., *Efficient BackProp*, 1998: deviation √(1/in)) is drawn as flax draws it: no further than
 * two deviations of the normal numbers that are cut there.
 */
export type Init =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'xavier-uniform' }
  /** Which fan: `in` keeps the variance of values, `out` that of gradients, as torchvision's ResNets do. */
  | { readonly kind: 'he-normal'; readonly fan: 'in' | 'out' }
  | { readonly kind: 'lecun-normal' };

const INITS = [
  'zeros',
  'ones',
  'constant',
  'normal',
  'xavier-uniform',
  'he-normal',
  'lecun-normal',
] as const satisfies readonly Init['kind'][];
const FANS = ['in', 'out'] as const;

/**
 * What becomes of a variable. `trainable`: the optimizer changes it. `frozen`: it stays. `state`: the model itself says
 * what follows (`Scope.next`), as the running mean of batch normalization does.
 */
export const ROLES = ['trainable', 'frozen', 'state'] as const;
/** One of `ROLES`: trainable, frozen or state. */
export type Role = (typeof ROLES)[number];

/** A float32 tensor that a model keeps: an input of its graphs, named by its path. */
export interface Variable {
  readonly path: string;
  readonly shape: readonly number[];
  readonly init: Init;
  readonly role: Role;
  readonly value: Value;
}

/** Kept or dropped, at random: a bool input that is true with chance `keep`. */
export interface RandomMask {
  /** The input's name: `random/` and its path. */
  readonly name: string;
  /** With `example`, its first axis is the batch: every example has a mask of its own. */
  readonly per: 'example' | 'step';
  readonly keep: number;
  readonly value: Value;
}

/** Uniform numbers at random: a float32 input in [0, 1). */
export interface RandomUniform {
  /** The input's name: `random/` and its path. */
  readonly name: string;
  /** With `example`, its first axis is the batch: every example has numbers of its own. */
  readonly per: RandomMask['per'];
  readonly value: Value;
}

/** The random inputs that a model can ask for. `per` is `example` by default: the first axis is then the batch. */
export interface ScopeRandom {
  /** A bool value of this shape, each element true with chance `keep`. Throws when the path is taken. */
  mask(name: string, shape: Shape, keep: number, per?: RandomMask['per']): Value;
  /** A float32 value of this shape, its elements uniform in [0, 1), with 24 bits. Throws when the path is taken. */
  uniform(name: string, shape: Shape, per?: RandomMask['per']): Value;
}

/** A number that a run may choose, and that evaluation and inference leave at its default: label smoothing. */
export interface TaskScalar {
  readonly name: string;
  readonly default: number;
  readonly value: Value;
}

/** What a model has asked for, in the order of asking. */
class Collected {
  readonly variables = new Map<string, Variable>();
  /** By the path of a state variable, what it becomes. */
  readonly next = new Map<string, Value>();
  readonly masks = new Map<string, RandomMask>();
  readonly uniforms = new Map<string, RandomUniform>();
  readonly scalars = new Map<string, TaskScalar>();
  examplesAreCoupled = false;
}

export interface ScopeOptions {
  /** Whether the pass trains, with dropout and statistics of the batch; false for evaluation and inference. */
  readonly training?: boolean;
}

/**
 * A part of a model, by its path: names variables under it and hands out what else a model needs besides its inputs.
 * One scope and those below it collect what all of them were asked for.
 */
export class Scope {
  readonly training: boolean;
  readonly #path: string;
  readonly #collected: Collected;

  constructor({ training = true }: ScopeOptions = {}, path = '', collected = new Collected()) {
    this.training = training;
    this.#path = path;
    this.#collected = collected;
  }

  /** The scope of a part of the model. */
  sub(name: string): Scope {
    return new Scope({ training: this.training }, this.#join(name), this.#collected);
  }

  /** A trainable float32 parameter. Throws when the path is taken. */
  param(name: string, shape: readonly number[], init: Init): Value {
    return this.#variable(name, shape, init, 'trainable');
  }

  /** A float32 variable that the model changes itself, by `next`. Throws when the path is taken. */
  state(name: string, shape: readonly number[], init: Init): Value {
    return this.#variable(name, shape, init, 'state');
  }

  /** A float32 variable that nothing changes. Throws when the path is taken. */
  frozen(name: string, shape: readonly number[], init: Init): Value {
    return this.#variable(name, shape, init, 'frozen');
  }

  /**
   * What a state variable of this model becomes when a training step is taken. Once for each; of the variable's shape.
   * While not training it does nothing.
   */
  next(variable: Value, value: Value): void {
    const { variables, next } = this.#collected;
    const state = [...variables.values()].find((each) => each.value === variable);
    if (state?.role !== 'state') throw new Error('scope: expected a state variable of this model in next');
    if (next.has(state.path)) throw new Error(`scope: expected one next for ${state.path}, got another`);
    if (!sameShape(value.shape, state.shape)) {
      throw new Error(
        `scope: expected ${show(state.shape)} to follow ${state.path}, got ${show(value.shape)}`,
      );
    }
    if (this.training) next.set(state.path, value);
  }

  /** Random inputs. They are made from (seed, step, example, path), so that passes over one batch see the same. */
  get random(): ScopeRandom {
    const { masks, uniforms } = this.#collected;
    const newPath = (name: string): string => {
      const path = `random/${this.#join(name)}`;
      if (!masks.has(path) && !uniforms.has(path)) return path;
      throw new Error(`scope: expected a new name, got "${path}" again`);
    };
    return {
      mask: (name, shape, keep, per = 'example') => {
        const path = newPath(name);
        if (!(keep > 0 && keep <= 1)) {
          throw new Error(`scope: ${path}: expected a chance above 0 and at most 1 to keep, got ${keep}`);
        }
        const value = input(path, shape, 'bool');
        masks.set(path, { name: path, per, keep, value });
        return value;
      },
      uniform: (name, shape, per = 'example') => {
        const path = newPath(name);
        const value = input(path, shape);
        uniforms.set(path, { name: path, per, value });
        return value;
      },
    };
  }

  /** A float32 scalar that a run chooses by this name; `standard` in evaluation and inference. */
  scalar(name: string, standard: number): Value {
    const known = this.#collected.scalars.get(name);
    if (known) return known.value;
    const value = this.training ? input(`scalar/${name}`, []) : scalar(standard);
    this.#collected.scalars.set(name, { name, default: standard, value });
    return value;
  }

  /** Says that examples of a batch see each other (batch normalization): a batch is then not cut into slices. */
  couplesExamples(): void {
    this.#collected.examplesAreCoupled = true;
  }

  /** The trainable variables, in the order in which they were first asked for. */
  get parameters(): readonly Variable[] {
    return this.variables.filter(({ role }) => role === 'trainable');
  }

  get variables(): readonly Variable[] {
    return [...this.#collected.variables.values()];
  }

  /** What the state variables become, by path. */
  get nextState(): ReadonlyMap<string, Value> {
    return this.#collected.next;
  }

  get masks(): readonly RandomMask[] {
    return [...this.#collected.masks.values()];
  }

  get uniforms(): readonly RandomUniform[] {
    return [...this.#collected.uniforms.values()];
  }

  get scalars(): readonly TaskScalar[] {
    return [...this.#collected.scalars.values()];
  }

  get examplesAreCoupled(): boolean {
    return this.#collected.examplesAreCoupled;
  }

  #variable(name: string, shape: readonly number[], init: Init, role: Role): Value {
    const path = this.#join(name);
    if (this.#collected.variables.has(path))
      throw new Error(`scope: expected a new path, got "${path}" again`);
    expectInit(`scope: ${path}: init`, init);
    const value = input(path, shape);
    this.#collected.variables.set(path, { path, shape, init, role, value });
    return value;
  }

  #join(name: string): string {
    return this.#path === '' ? name : `${this.#path}/${name}`;
  }
}

function expectInit(what: string, init: Init | undefined): asserts init is Init {
  expectOneOf(`${what} kind`, init?.kind, INITS);
  if (init?.kind === 'constant') expectNumber(`${what} value`, init.value);
  if (init?.kind === 'normal') expectNumber(`${what} std`, init.std, { min: 0 });
  if (init?.kind === 'he-normal') expectOneOf(`${what} fan`, init.fan, FANS);
}

/**
 * Fills `out` with the starting values of a parameter of this path and shape. They depend on the seed and on the path
 * alone, so that adding a layer does not change how the others start. Throws UserError where `out` does not have the
 * shape's length, or `init` or the seed is not one.
 */
export function initialize(
  out: Float32Array,
  path: string,
  shape: readonly number[],
  init: Init,
  seed: number,
): void {
  if (out.length !== sizeOf(shape)) {
    throw new UserError(
      `initialize: ${path}: expected an array of the ${sizeOf(shape)} elements of ${show(shape)}, got ${out.length}`,
    );
  }
  expectInit(`initialize: ${path}: init`, init);
  expectNumber(`initialize: ${path}: seed`, seed, { min: 0, isInteger: true });
  const random = new Random(seed, 'init', hash(path));
  switch (init.kind) {
    case 'zeros':
      out.fill(0);
      return;
    case 'ones':
      out.fill(1);
      return;
    case 'constant':
      out.fill(init.value);
      return;
    case 'normal':
      for (let i = 0; i < out.length; i++) out[i] = init.std * random.normal();
      return;
    case 'xavier-uniform': {
      const fans = fansOf(shape);
      const limit = Math.sqrt(6 / (fans.in + fans.out));
      for (let i = 0; i < out.length; i++) out[i] = limit * (2 * random.uniform() - 1);
      return;
    }
    case 'he-normal': {
      const std = Math.sqrt(2 / fansOf(shape)[init.fan]);
      for (let i = 0; i < out.length; i++) out[i] = std * random.normal();
      return;
    }
    case 'lecun-normal': {
      const std = Math.sqrt(1 / fansOf(shape).in) / CUT_DEVIATION;
      for (let i = 0; i < out.length; i++) out[i] = std * cutNormal(random);
    }
  }
}

/** The deviation of normal numbers that are cut at ±2. */
const CUT_DEVIATION = 0.8796256610342398;

/** A normal number of at most 2. */
function cutNormal(random: Random): number {
  for (;;) {
    const drawn = random.normal();
    if (Math.abs(drawn) <= 2) return drawn;
  }
}

/** From how many numbers each output of a kernel [..., in, out] comes, and into how many each input goes. */
function fansOf(shape: readonly number[]): { readonly in: number; readonly out: number } {
  const [fanIn = 1, fanOut = 1] = shape.length > 2 ? shape.slice(-2) : shape;
  const field = sizeOf(shape.slice(0, -2));
  return { in: field * fanIn, out: field * fanOut };
}

/** FNV-1a over the UTF-16 code units. */
export function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state >>> 0;
}
