/** The page's names of a run's options, for its form and for messages. Pure. */

import type { TrainConfig } from '../../config/config.ts';
import { flagName, type OptionNames } from '../../option-names.ts';
import { OPTIMIZER_TITLES } from '../../step/optimizer.ts';

interface Label<V extends string = string> {
  readonly label: string;
  /** The labels of an option's values, in the order of the form. */
  readonly values?: Readonly<Record<V, string>>;
}

/** The labels of the form's options. Of `device` the form offers what the browser has, with labels of its own. */
export const LABELS = {
  gr: {
    label: 'Regularization',
    values: {
      none: 'none',
      exact: 'exact: penalizes the gradient’s norm',
      fd: 'finite difference: nearly the same',
      sam: 'SAM: sharpness-aware minimization',
      asam: 'ASAM: SAM scaled by the weights',
      gsam: 'GSAM: SAM without the orthogonal part',
      looksam: 'LookSAM: SAM at every fifth step',
    },
  } satisfies Label<TrainConfig['gr']>,
  grWarmup: {
    label: 'Regularization warmup',
    values: { none: 'none', lambda: 'λ grows', r: 'r grows', zero: 'off, then on' },
  } satisfies Label<TrainConfig['grWarmup']>,
  lambda: { label: 'Weight λ' },
  r: { label: 'Distance r' },
  optimizer: {
    label: 'Optimizer',
    values: OPTIMIZER_TITLES,
  } satisfies Label<TrainConfig['optimizer']>,
  learningRate: { label: 'Learning rate' },
  weightDecay: { label: 'Weight decay' },
  epochs: { label: 'Epochs' },
  batchSize: { label: 'Batch size' },
  warmupEpochs: { label: 'Warmup epochs' },
  device: { label: 'Runs in', values: { cpu: 'WebAssembly', webgpu: 'WebGPU' } },
} as const satisfies Readonly<Record<string, Label>>;

const TABLE: Readonly<Record<string, Label>> = LABELS;

/** The names for messages, which put labels of values in quotes. An option without a label has the words of its key. */
export const PAGE_NAMES: OptionNames = {
  option: (key) => TABLE[key]?.label ?? flagName(key).replaceAll('-', ' '),
  value: (key, value) => {
    const label = TABLE[key]?.values?.[String(value)];
    return label === undefined ? String(value) : `“${label}”`;
  },
};

/** A sentence on what the page trains, and how. `digits` names the images. */
export function facts(digits: string): string {
  return `It learns from ${digits}. Regularization penalizes the norm of the gradient, so training differentiates twice. ortgrad writes the graphs in this page, and stock ONNX Runtime runs them: no server, no Python.`;
}
