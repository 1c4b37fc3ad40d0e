/** The options of `fit`, by name: one that does not exist is refused, for callers without a compiler. */
import { nearestName, show, UserError } from '../errors.ts';
import type { AnyFitOptions } from './types.ts';

const OPTIONS = {
  data: true,
  model: true,
  loss: true,
  metrics: true,
  validation: true,
  epochs: true,
  batchSize: true,
  microBatch: true,
  optimizer: true,
  schedule: true,
  regularizer: true,
  clip: true,
  ema: true,
  freeze: true,
  groups: true,
  layerDecay: true,
  seed: true,
  shuffle: true,
  device: true,
  threads: true,
  wasmPaths: true,
  memory: true,
  initialWeights: true,
  fresh: true,
  resume: true,
  signal: true,
  earlyStopping: true,
  judge: true,
  keepBest: true,
  verbose: true,
  name: true,
  onStep: true,
  onEpoch: true,
  onEvent: true,
} as const satisfies Record<keyof AnyFitOptions, true>;

const OPTION_NAMES = Object.keys(OPTIONS);

/** Throws UserError for what is no options, or has one that does not exist. */
export function expectOptions(options: AnyFitOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new UserError(`fit: expected {data, model, loss, epochs, …}, got ${show(options)}`);
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestName(unknown, OPTION_NAMES);
  throw new UserError(
    `fit: there is no option ${unknown}${nearest ? `; did you mean ${nearest}?` : `; there are ${OPTION_NAMES.join(', ')}`}`,
  );
}
