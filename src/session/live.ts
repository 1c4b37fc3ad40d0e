/**
 * The tasks behind artifacts that were made in this process, by the very bytes: while they are there, a session writes
 * graphs for whatever batch it is fed. Bytes that were copied or read from a file stand for themselves.
 */
import type { Target } from '../passes/finish.ts';
import type { GraphSource } from './source.ts';

/** What a session chooses of how graphs are written. */
export interface Wanted {
  readonly target: Target;
  readonly microBatch?: number | undefined;
}

export type OpenSource = (wanted: Wanted) => GraphSource;

const known = new WeakMap<Uint8Array, OpenSource>();

export function remember(trainModel: Uint8Array, open: OpenSource): void {
  known.set(trainModel, open);
}

export function recall(trainModel: Uint8Array): OpenSource | undefined {
  return known.get(trainModel);
}
