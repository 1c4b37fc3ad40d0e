/**
 * Rounds that visit every subject in turn, with a product of 2048×2048 matrices between any two: machines' speed
 * drifts, so that only what was measured side by side can be compared.
 */
import type { Subject, Timing } from './protocol.ts';

export const YARDSTICK_FLOPS = 2 * 2048 ** 3;

export interface Sample extends Timing {
  /** Milliseconds of the product just before. */
  readonly yardstick: number;
}

export interface Rounds {
  readonly counted: number;
  /** At the beginning, not counted. */
  readonly warmup: number;
}

/** Samples by subject, as many for each. A subject that fails is reported and has none. */
export async function runRounds<T extends { readonly subject: Subject }>(
  contenders: readonly T[],
  yardstick: Subject,
  { counted, warmup }: Rounds,
  { progress, failed }: { progress: (text: string) => void; failed: (who: T, why: string) => void },
): Promise<Map<T, Sample[]>> {
  const samples = new Map(contenders.map((each): [T, Sample[]] => [each, []]));
  for (let round = -warmup; round < counted; round++) {
    progress(round < 0 ? 'warming up' : `round ${round + 1} of ${counted}`);
    for (const [contender, timings] of samples) {
      const { ms } = await yardstick.run();
      try {
        const timing = await contender.subject.run();
        if (round >= 0) timings.push({ ...timing, yardstick: ms });
      } catch (error) {
        samples.delete(contender);
        failed(contender, error instanceof Error ? error.message : String(error));
      }
    }
  }
  progress('');
  return samples;
}
