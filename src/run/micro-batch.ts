/** How many examples a graph run holds and how it saves memory: the fastest way that fits. Also for browsers. */
import { MEMORY_LEVELS, type MemoryVariant } from '../artifacts/graphs.ts';
import type { TrainConfig } from '../config/config.ts';
import { UserError } from '../errors.ts';
import type { Spec } from '../tasks/spec.ts';

/** A run's estimate may take this share of the free memory: estimates are not exact, and other programs need some. */
const SHARE = 0.8;

export interface MemoryChoice extends MemoryVariant {
  /** Estimated bytes at the peak of the run. */
  readonly bytes: number;
  /** False if the config fixes both the micro-batch and the level, and they need more memory than is free. */
  readonly fits: boolean;
}

/**
 * The largest micro-batch that fits into the free memory, with the fastest level at which it fits. Candidates are the
 * divisors of the batch size, from the spec's micro-batch down. What the config gives is taken as it is. Throws UserError
 * if nothing fits.
 */
export function chooseMemory(
  { microBatch: most }: Pick<Spec, 'microBatch'>,
  config: Pick<TrainConfig, 'batchSize' | 'microBatch' | 'memory'>,
  estimate: (variant: MemoryVariant) => number,
  freeBytes: number,
): MemoryChoice {
  const estimated = (variant: MemoryVariant): MemoryChoice => {
    const bytes = estimate(variant);
    return { ...variant, bytes, fits: bytes <= SHARE * freeBytes };
  };
  const [first, ...others] = candidates(most, config);
  if (!first) throw new Error(`internal: batch size ${config.batchSize} has no divisor`);
  const best = estimated(first);
  const last = others.pop();
  if (best.fits || !last) return best;
  // The smallest is tried next: if it does not fit, none does.
  const least = estimated(last);
  if (!least.fits) throw tooLarge(least, freeBytes);
  for (const other of others) {
    const choice = estimated(other);
    if (choice.fits) return choice;
  }
  return least;
}

function candidates(
  most: number,
  { batchSize, microBatch, memory }: Pick<TrainConfig, 'batchSize' | 'microBatch' | 'memory'>,
): MemoryVariant[] {
  const largest = Math.min(most, batchSize);
  const divisors = Array.from({ length: largest }, (_, i) => largest - i).filter(
    (size) => batchSize % size === 0,
  );
  const levels = memory === undefined ? MEMORY_LEVELS : [memory];
  const sizes = microBatch > 0 ? [microBatch] : divisors;
  return sizes.flatMap((size) => levels.map((level) => ({ microBatch: size, memory: level })));
}

function tooLarge({ bytes, microBatch, memory }: MemoryChoice, freeBytes: number): UserError {
  return new UserError(
    `memory: the run takes about ${gigabytes(bytes)} even with --micro-batch ${microBatch} --memory ${memory}, but may take only ${gigabytes(SHARE * freeBytes)} of the ${gigabytes(freeBytes)} that are free; end other programs, or take a smaller graph`,
  );
}

export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
