/**
 * Studies of texts and tables: does GR harm there too, and do its warmups repair it? Sized by the times of BENCHMARKS.md
 * and docs/models.md, so that each takes half an hour or less on two cores, two runs side by side of one thread each.
 */

import { GR_AXIS as gr } from './gr-axis.ts';

/** GR of this strength without a warmup harms small Vision Transformers (docs/study); of the paper's 0.1 it does not. */
const r = 1;

/** What the studies are made for: the harm with LR warmup and without, and the repair. */
const compare = [
  { axis: 'gr', of: 'GR', against: 'none', where: { lrWarmup: ['on'] } },
  { axis: 'gr', of: 'GR', against: 'none', where: { lrWarmup: ['off'] } },
  { axis: 'gr', of: 'GR + zero-warmup', against: 'GR', where: { lrWarmup: ['on'] } },
  { axis: 'gr', of: 'GR + zero-warmup', against: 'none', where: { lrWarmup: ['on'] } },
] as const;

/** A model's seven runs of a seed cost 11.8 plain ones: of text-small 47 s of a core each, of gru-text 20 s. */
export const TEXT = {
  about:
    'In which of 40 languages is a text? A Transformer encoder and a GRU, 4 epochs of which 1 is warmup: GR and its warmups, with and without LR warmup, in half an hour on 2 cores.',
  base: {
    ...{ batchSize: 64, epochs: 4, learningRate: 3e-3, weightDecay: 0.1, clip: 5 },
    ...{ r, keep: 1, diagnosticsEvery: 4, threads: 1 },
  },
  axes: {
    model: { encoder: { graph: 'text-small' }, GRU: { graph: 'gru-text' } },
    lrWarmup: { on: { warmupEpochs: 1 }, off: { warmupEpochs: 0 } },
    gr,
    seed: [0, 1, 2, 3, 4],
  },
  compare,
} as const;

/** The same: of mlp-diamonds 5 s of a core each, of ft-transformer-diamonds 24 s. */
export const DIAMONDS = {
  about:
    'The price of a diamond from its table: an MLP and an FT-Transformer, 10 epochs of which 2.5 are warmup: GR and its warmups, with and without LR warmup, in a quarter of an hour on 2 cores.',
  base: {
    ...{ batchSize: 256, epochs: 10, learningRate: 3e-3, weightDecay: 0.01, clip: 5 },
    ...{ r, keep: 1, diagnosticsEvery: 8, threads: 1 },
  },
  axes: {
    model: { MLP: { graph: 'mlp-diamonds' }, 'FT-Transformer': { graph: 'ft-transformer-diamonds' } },
    lrWarmup: { on: { warmupEpochs: 2.5 }, off: { warmupEpochs: 0 } },
    gr,
    seed: [0, 1, 2, 3, 4],
  },
  compare,
} as const;
