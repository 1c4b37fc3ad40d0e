/**
 * Studies that come with the project: the three experiments of the paper, in three sizes, and what else could do the
 * warmups' work. Each is a design (design.ts), as `--config` takes it.
 */

import { GR_AXIS as gr } from './gr-axis.ts';
import { DIAMONDS, TEXT } from './task-presets.ts';

/** The paper's strength. */
const r = 0.1;

/** Strong enough to harm without a warmup: docs/study. */
const HARSH = { gr: 'fd', r: 1, alpha: 1, grWarmup: 'none' } as const;

export const PRESETS = {
  quick: {
    about: 'The three experiments in small, on MNIST: shows what a study gives, not what is true.',
    base: { batchSize: 64, epochs: 4, weightDecay: 0.1, clip: 5, r, diagnosticsEvery: 2 },
    axes: {
      model: { micro: { graph: 'vit-micro-mnist' }, nano: { graph: 'vit-nano-mnist' } },
      images: { '3,000': { trainFraction: 0.05 }, '1,200': { trainFraction: 0.02 } },
      optimizer: {
        adamw: { optimizer: 'adamw', learningRate: 3e-3 },
        sgd: { optimizer: 'sgd', learningRate: 0.1, weightDecay: 5e-4 },
      },
      lrWarmup: { on: { warmupEpochs: 1 }, off: { warmupEpochs: 0 } },
      gr,
      seed: [0, 1],
    },
    grids: [
      { model: ['micro'], images: ['3,000'] },
      { model: ['micro'], optimizer: ['adamw'], lrWarmup: ['on'] },
      { images: ['3,000'], optimizer: ['adamw'], lrWarmup: ['on'] },
    ],
  },
  cpu: {
    about:
      "Small Vision Transformers (patch 8) on the 10,000 images of CIFAR-10's first training file or fewer, 12 epochs of which 2 are warmup: the three experiments in at most 2 hours on 2 cores.",
    base: { batchSize: 128, epochs: 12, clip: 5, r, keep: 1, diagnosticsEvery: 4 },
    axes: {
      model: { micro: { graph: 'vit-micro-p8-cifar10' }, mini: { graph: 'vit-mini-p8-cifar10' } },
      images: { all: { trainFraction: 1 }, half: { trainFraction: 0.5 }, quarter: { trainFraction: 0.25 } },
      optimizer: {
        adamw: { optimizer: 'adamw', learningRate: 2e-3, weightDecay: 0.1 },
        sgd: { optimizer: 'sgd', learningRate: 0.05, weightDecay: 5e-4 },
      },
      lrWarmup: { on: { warmupEpochs: 2 }, off: { warmupEpochs: 0 } },
      gr,
      seed: [0, 1, 2, 3, 4],
    },
    grids: [
      { model: ['micro'], images: ['all'], optimizer: ['adamw'] },
      { model: ['micro'], images: ['all'], optimizer: ['sgd'], gr: ['none', 'GR', 'GR + zero-warmup'] },
      { model: ['micro'], optimizer: ['adamw'], lrWarmup: ['on'] },
      { images: ['quarter'], optimizer: ['adamw'], lrWarmup: ['on'] },
    ],
  },
  'cpu-2': {
    about:
      "Networks that fit 2,500 images, a quarter of CIFAR-10's first training file, without augmentation, 40 epochs of which 10 are warmup, and strong GR: a Vision Transformer at r = 1, where a search saw GR harm, and at 0.5; a CNN at 0.5, where one saw harm and repair. The seeds are such that no search saw. 138 runs, 2 hours on 2 cores.",
    base: {
      ...{ trainFraction: 0.25, augment: 'none', batchSize: 128, epochs: 40 },
      ...{ optimizer: 'adamw', learningRate: 3e-3, weightDecay: 0.3, clip: 5 },
      ...{ keep: 1, evalEvery: 5, diagnosticsEvery: 5, threads: 1 },
    },
    axes: {
      model: { ViT: { graph: 'vit-micro-p8-cifar10' }, CNN: { graph: 'vgg-micro-cifar10' } },
      lrWarmup: { on: { warmupEpochs: 10 }, off: { warmupEpochs: 0 } },
      r: [1, 0.5],
      gr,
      seed: [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21],
    },
    grids: [
      { model: ['ViT'], r: [1] },
      { r: [0.5], lrWarmup: ['on'], seed: [10, 11, 12, 13, 14, 15] },
    ],
    compare: [
      { axis: 'gr', of: 'GR', against: 'none', where: { model: ['ViT'], r: [1], lrWarmup: ['on'] } },
      { axis: 'gr', of: 'GR + λ-warmup', against: 'GR', where: { model: ['ViT'], r: [1] } },
      { axis: 'gr', of: 'GR + r-warmup', against: 'GR', where: { model: ['ViT'], r: [1] } },
      { axis: 'gr', of: 'GR + zero-warmup', against: 'GR', where: { model: ['ViT'], r: [1] } },
      { axis: 'gr', of: 'GR', against: 'none', where: { model: ['ViT'], r: [1], lrWarmup: ['off'] } },
      { axis: 'gr', of: 'GR', against: 'none', where: { model: ['ViT'], r: [0.5] } },
      { axis: 'gr', of: 'GR + zero-warmup', against: 'GR', where: { model: ['ViT'], r: [0.5] } },
      { axis: 'gr', of: 'GR + zero-warmup', against: 'none', where: { model: ['ViT'], r: [0.5] } },
      { axis: 'gr', of: 'GR', against: 'none', where: { model: ['CNN'] } },
      { axis: 'gr', of: 'GR + λ-warmup', against: 'GR', where: { model: ['CNN'] } },
      { axis: 'gr', of: 'GR + r-warmup', against: 'GR', where: { model: ['CNN'] } },
      { axis: 'gr', of: 'GR + zero-warmup', against: 'GR', where: { model: ['CNN'] } },
    ],
  },
  alternatives: {
    about:
      "What else could repair unwarmed GR: a Vision Transformer on 2,500 images, a quarter of CIFAR-10's first training file, without augmentation, 40 epochs of which 10 are warmup. 14 conditions at two learning rates, 8 seeds: 224 runs of about a minute, some 4 hours on 2 cores.",
    base: {
      ...{ graph: 'vit-micro-p8-cifar10', trainFraction: 0.25, augment: 'none' },
      ...{ batchSize: 128, epochs: 40, warmupEpochs: 10, weightDecay: 0.3, clip: 5 },
      ...{ keep: 1, evalEvery: 4, diagnosticsEvery: 4 },
    },
    axes: {
      learningRate: [3e-3, 1e-3],
      alternative: {
        none: { gr: 'none' },
        GR: HARSH,
        'GR + zero-warmup': { ...HARSH, grWarmup: 'zero' },
        'GR + RAdam': { ...HARSH, optimizer: 'radam' },
        'GR + ν from the first gradient': { ...HARSH, momentStart: 'first-gradient' },
        'GR + no bias correction': { ...HARSH, momentStart: 'uncorrected' },
        'GR + ν corrected alone': { ...HARSH, momentStart: 'second-corrected' },
        'GR + 20 epochs of warmup': { ...HARSH, warmupEpochs: 20 },
        'GR + clip 2': { ...HARSH, clip: 2 },
        'GR + clip 1': { ...HARSH, clip: 1 },
        'GR + clip 0.5': { ...HARSH, clip: 0.5 },
        ASAM: { gr: 'asam', grWarmup: 'none' },
        GSAM: { gr: 'gsam', r: 1, grWarmup: 'none' },
        LookSAM: { gr: 'looksam', r: 1, grWarmup: 'none' },
      },
      seed: [0, 1, 2, 3, 4, 5, 6, 7],
    },
  },
  text: TEXT,
  table: DIAMONDS,
  paper: {
    about:
      "The paper's grid: ViT-Ti, -S and -B on CIFAR-10 and CIFAR-100, 300 epochs of which 40 are warmup, basic augmentation. For a GPU.",
    base: { batchSize: 256, epochs: 300, clip: 5, r, keep: 1, evalEvery: 5, diagnosticsEvery: 50 },
    axes: {
      model: {
        'ViT-Ti': { graph: 'vit-ti-cifar10' },
        'ViT-S': { graph: 'vit-s-cifar10' },
        'ViT-B': { graph: 'vit-b-cifar10' },
        'ViT-Ti, CIFAR-100': { graph: 'vit-ti-cifar100' },
        'ViT-S, CIFAR-100': { graph: 'vit-s-cifar100' },
        'ViT-B, CIFAR-100': { graph: 'vit-b-cifar100' },
      },
      images: {
        all: { trainFraction: 1 },
        half: { trainFraction: 0.5 },
        quarter: { trainFraction: 0.25 },
        tenth: { trainFraction: 0.1 },
      },
      optimizer: {
        adamw: { optimizer: 'adamw', learningRate: 1e-3, weightDecay: 0.3 },
        sgd: { optimizer: 'sgd', learningRate: 0.1, weightDecay: 5e-4 },
      },
      lrWarmup: { on: { warmupEpochs: 40 }, off: { warmupEpochs: 0 } },
      gr,
      seed: [0, 1, 2],
    },
    grids: [
      { model: ['ViT-Ti', 'ViT-S', 'ViT-B'], images: ['all'] },
      { optimizer: ['adamw'], lrWarmup: ['on'], images: ['all'] },
      { model: ['ViT-Ti', 'ViT-S', 'ViT-B'], optimizer: ['adamw'], lrWarmup: ['on'] },
    ],
  },
} as const;

export const PRESET_NAMES = [
  'quick',
  'cpu',
  'cpu-2',
  'alternatives',
  'text',
  'table',
  'paper',
] as const satisfies readonly (keyof typeof PRESETS)[];
