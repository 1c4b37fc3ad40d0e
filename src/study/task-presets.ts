/**
 * Studies of texts and tables: does GR harm there too, and do its warmups repair it? Sized by the times of BENCHMARKS.md
 * and docs/models.md, so that each takes an hour or less on two cores with one thread for each run.
 */

import { withWarmups } from './with-warmups.ts';

/** At r = 0.5 GR without a warmup was seen to harm small Vision Transformers; at the paper's 0.1 it was not. */
const gr = withWarmups(0.5);

/** What the studies are made for: the harm with LR warmup and without, and the repair. */
const compare = [
  { axis: 'gr', of: 'GR', against: 'none', where: { lrWarmup: ['on'] } },
  { axis: 'gr', of: 'GR', against: 'none', where: { lrWarmup: ['off'] } },
  { axis: 'gr', of: 'GR + zero-warmup', against: 'GR', where: { lrWarmup: ['on'] } },
  { axis: 'gr', of: 'GR + zero-warmup', against: 'none', where: { lrWarmup: ['on'] } },
] as const;

/** A model's seven runs of a seed cost 11.8 plain ones: of text-small 70 s of a core each, of gru-text 30 s. */
export const TEXT = {
  about:
    'In which of 40 languages is a text? A Transformer encoder and a GRU, 6 epochs of which 1.5 are warmup: GR and its warmups, with and without LR warmup, in at most an hour on 2 cores.',
  base: {
    ...{ batchSize: 64, epochs: 6, learningRate: 3e-3, weightDecay: 0.1, clip: 5 },
    ...{ keep: 1, diagnosticsEvery: 4 },
  },
  axes: {
    model: { encoder: { graph: 'text-small' }, GRU: { graph: 'gru-text' } },
    lrWarmup: { on: { warmupEpochs: 1.5 }, off: { warmupEpochs: 0 } },
    gr,
    seed: [0, 1, 2, 3, 4],
  },
  compare,
} as const;

/** The same: of mlp-diamonds 10 s of a core each, of ft-transformer-diamonds 48 s. */
export const DIAMONDS = {
  about:
    'The price of a diamond from its table: an MLP and an FT-Transformer, 20 epochs of which 5 are warmup: GR and its warmups, with and without LR warmup, in at most an hour on 2 cores.',
  base: {
    ...{ batchSize: 256, epochs: 20, learningRate: 3e-3, weightDecay: 0.01, clip: 5 },
    ...{ keep: 1, diagnosticsEvery: 8 },
  },
  axes: {
    model: { MLP: { graph: 'mlp-diamonds' }, 'FT-Transformer': { graph: 'ft-transformer-diamonds' } },
    lrWarmup: { on: { warmupEpochs: 5 }, off: { warmupEpochs: 0 } },
    gr,
    seed: [0, 1, 2, 3, 4, 5, 6, 7],
  },
  compare,
} as const;
