/** What a trainer begins with: initial numbers, or those of a checkpoint. Also for browsers. */
import type { Checkpoint } from '../storage/checkpoint.ts';
import type { Trainer } from './trainer.ts';

/** Initial numbers from a seed, and in their place the `values` that are given, by path, which no one may change then. */
export function beginTrainer(
  { variables }: Trainer,
  seed: number,
  start?: { readonly values: ReadonlyMap<string, Float32Array> },
): void {
  variables.initialize(seed, start?.values);
}

/** The numbers of a checkpoint, which `origin` names, and which no one may change then. Throws UserError where they are of other variables. */
export function restoreTrainer(
  { slots, variables }: Trainer,
  { parameters, optimizer }: Pick<Checkpoint, 'parameters' | 'optimizer'>,
  origin: string,
): void {
  variables.restoreVariables(['trainable', 'frozen', 'state'], parameters, origin, { isShared: true });
  for (const [slot, arrays] of Object.entries(slots)) {
    variables.restore(arrays, optimizer.slots[slot] ?? [], `${origin}: optimizer ${slot}`);
  }
}
