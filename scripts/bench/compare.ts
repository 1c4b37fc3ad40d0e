/** Whether two subjects computed the same: times of different results are not compared. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeSafetensors } from '../../src/train/safetensors.ts';
import type { Subject } from './protocol.ts';
import { norm } from './statistics.ts';

/** Largest relative error that is still the same result: float32, summed in another order, of a second derivative. */
export const TOLERANCE = 1e-3;

type Tensors = ReadonlyMap<string, ArrayLike<number>>;

/**
 * The largest relative error of a tensor, each in the Euclidean norm; of the tensors that both have in `expected`'s
 * names. A gradient that is zero but for rounding (a key's bias) is measured against the whole gradient.
 */
export function worstError(got: Tensors, expected: Tensors): number {
  const isGradient = (name: string) => name.startsWith('grad/');
  const whole = norm([...expected].flatMap(([name, data]) => (isGradient(name) ? [norm(data)] : [])));
  const errors = [...expected].map(([name, data]) => {
    const own = got.get(name);
    if (own?.length !== data.length) return Number.POSITIVE_INFINITY;
    const size = norm(data);
    const error = norm(Float64Array.from(data, (x, i) => (own[i] ?? Number.NaN) - x));
    return error / (isGradient(name) && size < 1e-5 * whole ? whole : size);
  });
  return errors.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...errors);
}

export async function compareResults(subject: Subject, reference: Subject, folder: string): Promise<number> {
  const tensors = async (of: Subject, name: string) => {
    const file = path.join(folder, name);
    await of.results(file);
    return new Map(
      decodeSafetensors(new Uint8Array(readFileSync(file)), file).tensors.map(({ name: key, data }) => [
        key,
        Float64Array.from(data, Number),
      ]),
    );
  };
  const [got, expected] = [
    await tensors(subject, 'a.safetensors'),
    await tensors(reference, 'b.safetensors'),
  ];
  return worstError(got, expected);
}
