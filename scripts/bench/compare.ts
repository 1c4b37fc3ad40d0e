/** Checks that two subjects computed the same: times of different results must not be compared. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import type { Subject } from './protocol.ts';
import { norm } from './statistics.ts';

/** The largest relative error that counts as equal, for second derivatives in float32 that sum in different orders. */
export const TOLERANCE = 1e-3;

/**
 * Where there are relus: as sums go in another order, a few of millions of numbers fall on the other side of 0, and tensors
 * differ by some thousandths. So do PyTorch's own in float32 and float64.
 */
const RELU_TOLERANCE = 2e-2;
const RELU_KINDS: readonly string[] = ['resnet', 'wide-resnet', 'vgg', 'pyramidnet'];

/** The error up to which two results of a model of this kind count as equal. */
export const toleranceOf = (kind: string): number => (RELU_KINDS.includes(kind) ? RELU_TOLERANCE : TOLERANCE);

export type Tensors = ReadonlyMap<string, ArrayLike<number>>;

/**
 * The relative error of each tensor of `expected`, in the Euclidean norm. A gradient that is zero except for rounding,
 * such as that of a key's bias, is measured against the whole gradient.
 */
export function tensorErrors(got: Tensors, expected: Tensors): ReadonlyMap<string, number> {
  const isGradient = (name: string) => name.startsWith('grad/');
  const whole = norm([...expected].flatMap(([name, data]) => (isGradient(name) ? [norm(data)] : [])));
  return new Map(
    [...expected].map(([name, data]) => {
      const own = got.get(name);
      if (own?.length !== data.length) return [name, Number.POSITIVE_INFINITY];
      const size = norm(data);
      const difference = norm(Float64Array.from(data, (x, i) => (own[i] ?? Number.NaN) - x));
      const error = difference / (isGradient(name) && size < 1e-5 * whole ? whole : size);
      return [name, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error];
    }),
  );
}

export function worstError(got: Tensors, expected: Tensors): number {
  return Math.max(...tensorErrors(got, expected).values());
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
