/** What a session gives out: tensors, losses, parameters. Also for browsers. */
import { bytesOf } from '../bytes.ts';
import { UserError } from '../errors.ts';
import { type Weights, weightsOf } from '../fit/weights.ts';
import { numberOf } from '../run/engine.ts';
import type { OrtTensor, Tensor } from '../runtime/session.ts';
import type { SessionCore } from './core.ts';
import type { EvaluationDocument } from './document.ts';
import type { Wanted } from './feeds.ts';
import type { Opened } from './open.ts';

/** A tensor that the caller gave, with the result in it. */
function filled(name: string, to: OrtTensor, { dtype, shape, data }: Tensor): OrtTensor {
  if (to.type !== dtype || String(to.dims) !== String(shape)) {
    throw new UserError(
      `fetches: ${name}: expected a tensor ${dtype} [${shape.join(', ')}] to be filled, got ${to.type} [${to.dims.join(', ')}]`,
    );
  }
  const target: unknown = to.data;
  if (!ArrayBuffer.isView(target)) throw new UserError(`fetches: ${name}: expected a tensor on the CPU`);
  bytesOf(target).set(bytesOf(data));
  return to;
}

export function weightsIn({ variables }: SessionCore): Weights {
  return weightsOf(variables.variables(['trainable', 'frozen', 'state']));
}

/** Σ total/weight over the terms, as a measured set has it (run/measure.ts). */
export function lossIn(
  { terms }: EvaluationDocument,
  out: Readonly<Record<string, Tensor>>,
  examples: number,
): number {
  return terms.reduce((sum, { name, weighted, perExample }) => {
    const count = perExample === 0 ? 1 : perExample * examples;
    const weight = weighted ? numberOf(out, `weight/${name}`) || 1 : count;
    return sum + numberOf(out, `total/${name}`) / weight;
  }, 0);
}

/** The outputs that a call wants, as ONNX Runtime's tensors. */
export function resultsOf(
  { Constructor }: Opened,
  { names, into }: Wanted,
  outputs: Readonly<Record<string, Tensor>>,
): Record<string, OrtTensor> {
  return Object.fromEntries(
    names.map((name): [string, OrtTensor] => {
      const tensor = outputs[name];
      if (!tensor) throw new Error(`internal: no output ${name}`);
      const { dtype, data, shape } = tensor;
      const to = into[name];
      return [name, to ? filled(name, to, tensor) : new Constructor(dtype, data, [...shape])];
    }),
  );
}
