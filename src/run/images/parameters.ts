/** The arrays of a training run: the parameters and what the optimizer keeps of each. Also for browsers. */

import type { Manifest, ManifestParameter } from '../../artifacts/image-manifest.ts';
import { UserError } from '../../errors.ts';
import { expectAt } from '../../expect.ts';
import { initialize } from '../../layers/scope.ts';
import { sizeOf } from '../../onnx/shapes.ts';
import type { OwnedFloats } from '../../owned-array.ts';
import type { Tensor } from '../../runtime/session.ts';
import { reserveArrays } from '../../step/loops/memory.ts';
import type { NamedTensor } from '../../storage/safetensors.ts';

/** One number per parameter element: an array for each parameter, in the manifest's order. */
export interface WeightArrays {
  readonly views: readonly OwnedFloats[];
}

/** The parameters, at most two slots of an optimizer, and one vector of a step: perturbed parameters. */
const SETS = 4;

export class ParameterArrays {
  readonly parameters: readonly ManifestParameter[];
  readonly values: WeightArrays;
  /** What graphs are fed: views of `values`, so an update in place is seen by the next run. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly #reserved: () => readonly OwnedFloats[];
  readonly #scratch: WeightArrays[] = [];

  constructor({ parameters }: Manifest) {
    this.parameters = parameters;
    this.#reserved = reserveArrays(
      parameters.map(({ shape }) => sizeOf(shape)),
      SETS,
    );
    this.values = this.allocate();
    this.feeds = this.#feedsOf(this.values);
  }

  /** Zeros for every parameter element, where the optimizer's kernels reach them. */
  allocate(): WeightArrays {
    return { views: this.#reserved() };
  }

  /** Starting values from a seed. */
  initialize(seed: number): void {
    this.parameters.forEach(({ path, shape, init }, i) => {
      const view = this.values.views[i];
      if (view) initialize(view, path, shape, init, seed);
    });
  }

  /** A copy of such arrays as named tensors, in one buffer of their own, to be saved while training goes on. */
  snapshot({ views }: WeightArrays): NamedTensor[] {
    const flat = new Float32Array(views.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    return this.parameters.map(({ path, shape }, i) => {
      const view = expectAt(views, i);
      flat.set(view, end);
      end += view.length;
      return { name: path, shape, data: flat.subarray(end - view.length, end) };
    });
  }

  /** Such arrays themselves as named tensors, to be saved before training goes on. */
  named({ views }: WeightArrays): NamedTensor[] {
    return this.parameters.map(({ path, shape }, i) => ({ name: path, shape, data: expectAt(views, i) }));
  }

  /** Puts saved tensors back into such arrays. Throws UserError where they are not these parameters'. */
  restore({ views }: WeightArrays, tensors: readonly NamedTensor[], origin: string): void {
    const saved = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.parameters.forEach(({ path, shape }, i) => {
      const tensor = saved.get(path);
      if (!tensor || String(tensor.shape) !== String(shape) || !(tensor.data instanceof Float32Array)) {
        const got = tensor ? `shape [${tensor.shape}]` : 'none';
        throw new UserError(
          `${origin}: expected float32 ${path} of shape [${shape}], got ${got}; it belongs to another graph`,
        );
      }
      expectAt(views, i).set(tensor.data);
    });
    if (saved.size > this.parameters.length) {
      throw new UserError(
        `${origin}: expected ${this.parameters.length} parameters, got ${saved.size}; it belongs to another graph`,
      );
    }
  }

  /** Room for a vector of a step, by number: its elements are what was last there. */
  scratch(index: number): readonly OwnedFloats[] {
    this.#scratch[index] ??= this.allocate();
    return expectAt(this.#scratch, index).views;
  }

  /** What graphs are fed with other parameters. */
  feedsAt(views: readonly Float32Array[]): Readonly<Record<string, Tensor>> {
    return this.#feedsOf({ views });
  }

  #feedsOf({ views }: { readonly views: readonly Float32Array[] }): Record<string, Tensor> {
    return Object.fromEntries(
      this.parameters.map(({ path, shape }, i): [string, Tensor] => [
        path,
        { dtype: 'float32', shape, data: expectAt(views, i) },
      ]),
    );
  }
}
