/** The arrays of a training run: every variable, and what the update rule keeps of each parameter. */
import type { Manifest, ManifestVariable } from '../artifacts/manifest.ts';
import { UserError } from '../errors.ts';
import { initialize, type Role } from '../layers/scope.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { OwnedFloats } from '../owned-array.ts';
import type { Tensor } from '../runtime/session.ts';
import type { Arrays } from '../step/host.ts';
import { reserveArrays } from '../step/loops/memory.ts';
import type { NamedTensor } from '../storage/safetensors.ts';

type Feeds = Readonly<Record<string, Tensor>>;

export class VariableArrays {
  /** In the manifest's order, which is that of all arrays here. */
  readonly parameters: readonly ManifestVariable[];
  /** The trainable variables. */
  readonly theta: readonly OwnedFloats[];
  /** What graphs are fed: every variable. An update in place is seen by the next run. */
  readonly feeds: Feeds;
  readonly #variables: readonly ManifestVariable[];
  /** Frozen and state variables, by path. */
  readonly #others: ReadonlyMap<string, OwnedFloats>;
  readonly #reserved: () => readonly OwnedFloats[];
  readonly #scratch: (readonly OwnedFloats[])[] = [];

  /** `sets`: how many vectors of the parameters' size there will be besides the parameters, where loops reach them. */
  constructor({ variables }: Pick<Manifest, 'variables'>, sets: number) {
    this.#variables = variables;
    this.parameters = variables.filter(({ role }) => role === 'trainable');
    this.#reserved = reserveArrays(
      this.parameters.map(({ shape }) => sizeOf(shape)),
      1 + sets,
    );
    this.theta = this.allocate();
    this.#others = new Map(
      variables
        .filter(({ role }) => role !== 'trainable')
        .map(({ path, shape }) => [path, new Float32Array(sizeOf(shape))]),
    );
    this.feeds = Object.fromEntries(
      variables.map(({ path, shape }) => [
        path,
        { dtype: 'float32', shape, data: this.array(path) } satisfies Tensor,
      ]),
    );
  }

  /** Zeros for every parameter element, where loops reach them. */
  allocate(): readonly OwnedFloats[] {
    return this.#reserved();
  }

  /** Room for a vector between two derivatives, by number: its elements are what was last there. */
  scratch(index: number): Arrays {
    this.#scratch[index] ??= this.allocate();
    return this.#scratch[index] ?? [];
  }

  /** A variable's array. */
  array(path: string): OwnedFloats {
    const place = this.parameters.findIndex((parameter) => parameter.path === path);
    const array = this.#others.get(path) ?? this.theta[place];
    if (!array) throw new Error(`internal: no variable ${path}`);
    return array;
  }

  /** Starting values from a seed. */
  initialize(seed: number): void {
    for (const { path, shape, init } of this.#variables)
      initialize(this.array(path), path, shape, init, seed);
  }

  /** The feeds with other parameters. */
  feedsAt(arrays: Arrays): Feeds {
    const there = this.parameters.map(({ path, shape }, k): [string, Tensor] => [
      path,
      { dtype: 'float32', shape, data: expectArray(arrays, k) },
    ]);
    return { ...this.feeds, ...Object.fromEntries(there) };
  }

  /** Such arrays as named tensors; `copied` into one buffer of their own, to be saved while training goes on. */
  named(arrays: Arrays, { copied = false } = {}): NamedTensor[] {
    const tensors = this.parameters.map(({ path, shape }, k) => ({
      name: path,
      shape,
      data: expectArray(arrays, k),
    }));
    return copied ? copyOf(tensors) : tensors;
  }

  /** All variables of some roles as named tensors, as `named` gives them. */
  variables(roles: readonly Role[], { copied = false } = {}): NamedTensor[] {
    const tensors = this.#variables
      .filter(({ role }) => roles.includes(role))
      .map(({ path, shape }) => ({ name: path, shape, data: this.array(path) }));
    return copied ? copyOf(tensors) : tensors;
  }

  /** Puts saved tensors back into the variables of some roles. Throws UserError where they are not these. */
  restoreVariables(roles: readonly Role[], tensors: readonly NamedTensor[], origin: string): void {
    const wanted = this.#variables.filter(({ role }) => roles.includes(role));
    restore(
      wanted,
      wanted.map(({ path }) => this.array(path)),
      tensors,
      origin,
    );
  }

  /** Puts saved tensors back into arrays of the parameters' sizes. Throws UserError where they are not these. */
  restore(arrays: Arrays, tensors: readonly NamedTensor[], origin: string): void {
    restore(this.parameters, arrays, tensors, origin);
  }
}

function restore(
  variables: readonly ManifestVariable[],
  arrays: Arrays,
  tensors: readonly NamedTensor[],
  origin: string,
): void {
  const saved = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  variables.forEach(({ path, shape }, k) => {
    const tensor = saved.get(path);
    if (!tensor || String(tensor.shape) !== String(shape) || !(tensor.data instanceof Float32Array)) {
      const got = tensor ? `shape [${tensor.shape}]` : 'none';
      throw new UserError(
        `${origin}: expected float32 ${path} of shape [${shape}], got ${got}; it belongs to another graph`,
      );
    }
    expectArray(arrays, k).set(tensor.data);
  });
  if (saved.size > variables.length) {
    throw new UserError(
      `${origin}: expected ${variables.length} parameters, got ${saved.size}; it belongs to another graph`,
    );
  }
}

function copyOf(tensors: readonly (NamedTensor & { readonly data: Float32Array })[]): NamedTensor[] {
  const flat = new Float32Array(tensors.reduce((sum, { data }) => sum + data.length, 0));
  let end = 0;
  return tensors.map(({ name, shape, data }) => {
    flat.set(data, end);
    end += data.length;
    return { name, shape, data: flat.subarray(end - data.length, end) };
  });
}

function expectArray(arrays: Arrays, k: number): Float32Array {
  const array = arrays[k];
  if (!array) throw new Error(`internal: no parameter ${k}`);
  return array;
}
