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
  readonly #variables: readonly ManifestVariable[];
  /** Frozen and state variables, by path. Of a frozen one nobody writes the array: it may be another's. */
  readonly #others: Map<string, Float32Array>;
  readonly #feeds: Record<string, Tensor>;
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
    this.#feeds = Object.fromEntries(
      variables.map(({ path, shape, role }) => [
        path,
        { dtype: 'float32', shape, data: this.array(path), isFixed: role === 'frozen' },
      ]),
    );
  }

  /** What graphs are fed: every variable. An update in place is seen by the next run. */
  get feeds(): Feeds {
    return this.#feeds;
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

  /** A variable's array. One of a frozen variable is only read. */
  array(path: string): Float32Array {
    const place = this.parameters.findIndex((parameter) => parameter.path === path);
    const array = this.#others.get(path) ?? this.theta[place];
    if (!array) throw new Error(`internal: no variable ${path}`);
    return array;
  }

  /** Starting values: those that are given, which no one may change then, and of all other variables from a seed. */
  initialize(seed: number, given: ReadonlyMap<string, Float32Array> = new Map()): void {
    for (const { path, shape, init } of this.#variables) {
      const values = given.get(path);
      if (values) this.put(path, values, { isShared: true });
      else initialize(this.array(path), path, shape, init, seed);
    }
  }

  /** Puts numbers into a variable. One that is frozen takes the array itself where it is shared: no copy of a large base. */
  put(path: string, values: Float32Array, { isShared = false } = {}): void {
    const variable = this.#variables.find((each) => each.path === path);
    if (variable?.role !== 'frozen') this.array(path).set(values);
    else {
      const data = isShared ? values : values.slice();
      this.#others.set(path, data);
      this.#feeds[path] = { dtype: 'float32', shape: variable.shape, data, isFixed: true };
    }
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

  /**
   * Puts saved tensors back into the variables of some roles; `isShared` as in `put`. Throws UserError where they are not
   * these.
   */
  restoreVariables(
    roles: readonly Role[],
    tensors: readonly NamedTensor[],
    origin: string,
    shared?: { readonly isShared: boolean },
  ): void {
    const wanted = this.#variables.filter(({ role }) => roles.includes(role));
    expectSaved(wanted, tensors, origin).forEach((data, i) => {
      this.put(wanted[i]?.path ?? '', data, shared);
    });
  }

  /** Puts saved tensors back into arrays of the parameters' sizes. Throws UserError where they are not these. */
  restore(arrays: Arrays, tensors: readonly NamedTensor[], origin: string): void {
    expectSaved(this.parameters, tensors, origin).forEach((data, k) => {
      expectArray(arrays, k).set(data);
    });
  }
}

/** What was saved of variables, in their order. Throws UserError where it is of others. */
function expectSaved(
  variables: readonly ManifestVariable[],
  tensors: readonly NamedTensor[],
  origin: string,
): readonly Float32Array[] {
  const saved = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const found = variables.map(({ path, shape }) => {
    const tensor = saved.get(path);
    if (tensor && String(tensor.shape) === String(shape) && tensor.data instanceof Float32Array)
      return tensor.data;
    const got = tensor ? `shape [${tensor.shape}]` : 'none';
    throw new UserError(
      `${origin}: expected float32 ${path} of shape [${shape}], got ${got}; it belongs to another graph`,
    );
  });
  if (saved.size <= variables.length) return found;
  throw new UserError(
    `${origin}: expected ${variables.length} parameters, got ${saved.size}; it belongs to another graph`,
  );
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
