/** The form of the page, with the options of a run. */

import { parseConfig, type TrainConfig } from '../../config/config.ts';
import { UserError } from '../../errors.ts';
import { type GrKind, type GrWarmup, grSchedule, KINDS } from '../../step/gr-warmup.ts';
import { OPTIMIZER_NAMES } from '../../step/optimizer.ts';
import { element } from '../dom.ts';
import { PAGE_NAMES } from './labels.ts';

/** What a form begins with. */
export interface FormDefaults {
  /** The learning rate that the form suggests for each optimizer. */
  readonly learningRates: Readonly<Record<TrainConfig['optimizer'], number>>;
  /** Options that differ from those of a run in node. */
  readonly first: Partial<TrainConfig>;
  /** Where the form has no field for it. */
  readonly batchSize?: number;
}

/** For a small Vision Transformer from random weights. Such a run takes a few minutes. */
export const FROM_SCRATCH: FormDefaults = {
  learningRates: {
    ...{ adamw: 0.002, adam: 0.002, radam: 0.002, adabelief: 0.002 },
    ...{ lion: 0.0005, sgd: 0.1, rmsprop: 0.0005 },
  },
  first: { epochs: 10, warmupEpochs: 1 },
  batchSize: 64,
};

/** For a file that was trained already. The form has a field for the batch. */
export const FINE_TUNING: FormDefaults = {
  learningRates: {
    ...{ adamw: 0.001, adam: 0.001, radam: 0.001, adabelief: 0.001 },
    ...{ lion: 0.0003, sgd: 0.01, rmsprop: 0.0003 },
  },
  first: { gr: 'none', epochs: 5, warmupEpochs: 0, learningRate: 0.001 },
};

export interface Settings {
  /** The options, as in a `--config` file. A field without a number gives NaN, which parseConfig() refuses. */
  read(): object;
  /** Shows the options of a run that was loaded. */
  show(config: TrainConfig): void;
}

/** Makes the form offer only options that go together. Where a change rules out the chosen one, the form says why. */
export function createSettings({ learningRates, first, batchSize }: FormDefaults): Settings {
  const gr = element('gr', HTMLSelectElement);
  const warmup = element('gr-warmup', HTMLSelectElement);
  const optimizer = element('optimizer', HTMLSelectElement);
  const field = (id: string): HTMLInputElement => element(id, HTMLInputElement);
  const [lambda, r, rate] = [field('lambda'), field('r'), field('learning-rate')];
  const [decay, epochs, warmupEpochs] = [field('weight-decay'), field('epochs'), field('warmup-epochs')];

  /** Disables the fields that do not apply. */
  const fit = (): void => {
    const kind = chosen(gr, KINDS);
    lambda.disabled = kind !== 'exact' && kind !== 'fd';
    r.disabled = kind === 'none' || kind === 'exact';
    for (const option of warmup.options) {
      option.title = refusal(kind, chosen(option, WARMUPS), Number(warmupEpochs.value)) ?? '';
      option.disabled = option.title !== '';
    }
    const [selected] = warmup.selectedOptions;
    element('reason', HTMLElement).textContent = selected?.title ?? '';
    if (selected?.disabled || kind === 'none') warmup.value = 'none';
    warmup.disabled = kind === 'none';
  };

  const strengthOf = (config: TrainConfig): void => {
    const { r: distance, alpha, lambda: weight } = config;
    r.value = text(distance);
    lambda.value = text(weight ?? (distance === undefined ? undefined : (alpha ?? 1) * distance));
  };

  gr.addEventListener('change', () => {
    strengthOf(parseConfig({ gr: gr.value }));
    fit();
    if (gr.value !== 'none' && warmup.value === 'none' && Number(warmupEpochs.value) > 0)
      warmup.value = 'zero';
  });
  warmup.addEventListener('change', fit);
  warmupEpochs.addEventListener('change', fit);
  optimizer.addEventListener('change', () => {
    rate.value = text(learningRates[chosen(optimizer, OPTIMIZER_NAMES)]);
    decay.value = text(parseConfig({ optimizer: optimizer.value }).weightDecay);
  });

  const show = (config: TrainConfig): void => {
    gr.value = config.gr;
    warmup.value = config.grWarmup;
    optimizer.value = config.optimizer;
    rate.value = text(config.learningRate);
    decay.value = text(config.weightDecay);
    epochs.value = text(config.epochs);
    warmupEpochs.value = text(config.warmupEpochs);
    strengthOf(config);
    fit();
  };
  show(parseConfig(first));

  return {
    show,
    read() {
      // A disabled field is left out: parseConfig() would refuse the value that it still holds.
      const given = (input: HTMLInputElement) => (input.disabled ? undefined : input.valueAsNumber);
      return {
        ...(batchSize !== undefined && { batchSize }),
        gr: gr.value,
        grWarmup: warmup.disabled ? undefined : warmup.value,
        lambda: given(lambda),
        r: given(r),
        optimizer: optimizer.value,
        learningRate: rate.valueAsNumber,
        weightDecay: decay.valueAsNumber,
        epochs: epochs.valueAsNumber,
        warmupEpochs: warmupEpochs.valueAsNumber,
      };
    },
  };
}

const WARMUPS = ['none', 'lambda', 'r', 'zero'] as const satisfies readonly GrWarmup[];

/** Why a warmup does not go with a regularizer, in the trainer's own words; undefined where it does. */
function refusal(kind: GrKind, warmup: GrWarmup, warmupEpochs: number): string | undefined {
  const strength = kind === 'exact' ? { lambda: 1 } : { lambda: 1, r: 1, alpha: 1 };
  try {
    grSchedule({ kind, warmup, warmupSteps: warmupEpochs > 0 ? 1 : 0, ...strength }, PAGE_NAMES);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.message;
  }
}

/** The value of a menu, or of an item of a menu. */
export function chosen<const T extends string>(
  { value }: HTMLSelectElement | HTMLOptionElement,
  values: readonly T[],
): T {
  const found = values.find((each) => each === value);
  if (found === undefined) throw new Error(`internal: a menu holds ${value}`);
  return found;
}

function text(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}
