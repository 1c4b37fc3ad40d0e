/**
 * Rounds that measure every subject in turn. A machine's speed drifts, so only what was measured side by side can be
 * compared. `after` also times a product of 2048×2048 matrices before each measurement, as a yardstick.
 */
import type { Subject, Timing } from './protocol.ts';

export const YARDSTICK_FLOPS = 2 * 2048 ** 3;

export interface Sample extends Timing {
  /** Milliseconds of the product just before it. */
  readonly yardstick: number;
}

export interface Rounds {
  readonly counted: number;
  /** Rounds at the beginning that do not count. */
  readonly warmup: number;
}

/** The samples of each subject, equally many for each. A subject that fails is reported and left out. */
export async function runRounds<T, S>(
  contenders: readonly T[],
  measure: (contender: T) => Promise<S>,
  { counted, warmup }: Rounds,
  { progress, failed }: { progress: (text: string) => void; failed: (who: T, why: string) => void },
): Promise<Map<T, S[]>> {
  const samples = new Map(contenders.map((each): [T, S[]] => [each, []]));
  for (let round = -warmup; round < counted; round++) {
    progress(round < 0 ? 'warming up' : `round ${round + 1} of ${counted}`);
    for (const [contender, own] of samples) {
      try {
        const sample = await measure(contender);
        if (round >= 0) own.push(sample);
      } catch (error) {
        samples.delete(contender);
        failed(contender, error instanceof Error ? error.message : String(error));
      }
    }
  }
  progress('');
  return samples;
}

/** Measures subjects, each after the product. */
export function after(yardstick: Subject): (contender: { readonly subject: Subject }) => Promise<Sample> {
  return async ({ subject }) => {
    const { ms } = await yardstick.run();
    return { ...(await subject.run()), yardstick: ms };
  };
}
