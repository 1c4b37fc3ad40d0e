/** Parameters by path: the one thing that a model passes around besides values. */
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import { input } from '../onnx/ops.ts';
import { show, sizeOf } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import { Random } from '../random.ts';

/** How a parameter starts. `xavier-uniform` (Glorot & Bengio 2010) is of a kernel [in, out]. */
export type Init =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'xavier-uniform' };

const INITS = ['zeros', 'ones', 'normal', 'xavier-uniform'] as const satisfies readonly Init['kind'][];

/** A trainable parameter of a model. */
export interface Parameter {
  readonly path: string;
  readonly shape: readonly number[];
  readonly init: Init;
  readonly value: Value;
}

/** Names parameters under a path and collects them in the order they are first asked for. */
export class Scope {
  readonly #path: string;
  readonly #parameters: Map<string, Parameter>;

  constructor(path = '', parameters = new Map<string, Parameter>()) {
    this.#path = path;
    this.#parameters = parameters;
  }

  /** The scope of a part of the model. */
  sub(name: string): Scope {
    return new Scope(this.#join(name), this.#parameters);
  }

  /** A trainable float32 parameter of this shape. Throws where the path is taken or `init` is not known. */
  param(name: string, shape: readonly number[], init: Init): Value {
    const path = this.#join(name);
    if (this.#parameters.has(path)) throw new Error(`scope: expected a new path, got "${path}" again`);
    expectInit(`scope: ${path}: init`, init);
    const value = input(path, shape);
    this.#parameters.set(path, { path, shape, init, value });
    return value;
  }

  /** In the order in which they were first asked for. */
  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  #join(name: string): string {
    return this.#path === '' ? name : `${this.#path}/${name}`;
  }
}

function expectInit(what: string, init: Init | undefined): asserts init is Init {
  expectOneOf(`${what} kind`, init?.kind, INITS);
  if (init?.kind === 'normal') expectNumber(`${what} std`, init.std, { min: 0 });
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
    case 'normal':
      for (let i = 0; i < out.length; i++) out[i] = init.std * random.normal();
      return;
    case 'xavier-uniform': {
      const [fanIn = 1, fanOut = 1] = shape;
      const limit = Math.sqrt(6 / (fanIn + fanOut));
      for (let i = 0; i < out.length; i++) out[i] = limit * (2 * random.uniform() - 1);
    }
  }
}

/** FNV-1a over the UTF-16 code units. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state >>> 0;
}
