/** Which checkpoint of a run is its best. Also for browsers. */
import type { Checkpoint } from '../storage/checkpoint.ts';

/** The best of the evaluations so far, as a checkpoint holds it. */
export type Best = NonNullable<Checkpoint['best']>;

/**
 * Whether an evaluation is better than the best so far. Accuracy decides; at equal accuracy the lower loss does.
 * Accuracies on different images cannot be compared, so the first evaluation on a split beats any on another split.
 */
export function isBetter(
  { top1, loss, split = 'test' }: Omit<Best, 'step'>,
  best: Omit<Best, 'step'> | null,
): boolean {
  if (best === null || (best.split ?? 'test') !== split) return true;
  if (top1 !== best.top1) return top1 > best.top1;
  return loss !== undefined && best.loss !== undefined && loss < best.loss;
}
