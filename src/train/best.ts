/** Which checkpoint of a run is its best. Also for browsers. */
import type { Checkpoint } from './checkpoint.ts';

/** The best of the evaluations so far, as a checkpoint holds it. */
export type Best = NonNullable<Checkpoint['best']>;

/**
 * Whether an evaluation is better than the best so far: by accuracy, and where that is equal by loss. Accuracy on other
 * images says nothing: the first evaluation on a split is better than any on another.
 */
export function isBetter(
  { top1, loss, split = 'test' }: Omit<Best, 'step'>,
  best: Omit<Best, 'step'> | null,
): boolean {
  if (best === null || (best.split ?? 'test') !== split) return true;
  if (top1 !== best.top1) return top1 > best.top1;
  return loss !== undefined && best.loss !== undefined && loss < best.loss;
}
