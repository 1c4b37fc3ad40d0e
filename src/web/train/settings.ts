/** The form of the page: options of a run. */
import { UserError } from '../../errors.ts';
import { type GrKind, type GrWarmup, grSchedule } from '../../optim/gr-warmup.ts';
import { parseConfig, type TrainConfig } from '../../train/config.ts';
import { element } from '../dom.ts';

/** What each optimizer does well with here. */
const LEARNING_RATES: Readonly<Record<TrainConfig['optimizer'], number>> = {
  adamw: 0.002,
  adam: 0.002,
  sgd: 0.1,
  rmsprop: 0.0005,
};

const BATCH_SIZE = 64;
/** What the page begins with: a few minutes. */
const FIRST = { epochs: 10, warmupEpochs: 1 };

export interface Settings {
  /** Options as in a `--config` file. Throws UserError for a field that holds no number. */
  read(): object;
  /** Shows those of a run that was loaded. */
  show(config: TrainConfig): void;
}

/** Makes the form one that offers only what goes together, and says why something does not. */
export function createSettings(graph: string, fraction: () => number): Settings {
  const gr = element('gr', HTMLSelectElement);
  const warmup = element('gr-warmup', HTMLSelectElement);
  const optimizer = element('optimizer', HTMLSelectElement);
  const field = (id: string): HTMLInputElement => element(id, HTMLInputElement);
  const [lambda, r, rate, epochs, warmupEpochs] = [
    field('lambda'),
    field('r'),
    field('learning-rate'),
    field('epochs'),
    field('warmup-epochs'),
  ];

  /** Switches off what does not apply. */
  const fit = (): void => {
    const kind = chosen(gr, KINDS);
    lambda.disabled = kind === 'none' || kind === 'sam';
    r.disabled = kind === 'none' || kind === 'exact';
    const reasons = WARMUPS.map((each) => refusal(kind, each, Number(warmupEpochs.value)));
    for (const [i, option] of [...warmup.options].entries()) {
      option.disabled = reasons[i] !== undefined;
      option.title = reasons[i] ?? '';
    }
    if (warmup.selectedOptions[0]?.disabled) warmup.value = 'none';
    warmup.disabled = kind === 'none';
    element('reason', HTMLElement).textContent =
      kind === 'none' ? '' : [...new Set(reasons.filter((reason) => reason !== undefined))].join('. ');
  };

  const strengthOf = (config: TrainConfig): void => {
    const { r: distance, alpha, lambda: weight } = config;
    r.value = text(distance);
    lambda.value = text(weight ?? (distance === undefined ? undefined : (alpha ?? 1) * distance));
  };

  gr.addEventListener('change', () => {
    const defaults = parseConfig({ gr: gr.value }, 'settings');
    strengthOf(defaults);
    fit();
    if (gr.value !== 'none' && warmup.value === 'none' && Number(warmupEpochs.value) > 0)
      warmup.value = 'zero';
  });
  warmupEpochs.addEventListener('input', fit);
  optimizer.addEventListener('change', () => {
    rate.value = text(LEARNING_RATES[chosen(optimizer, OPTIMIZERS)]);
  });

  const show = (config: TrainConfig): void => {
    gr.value = config.gr;
    warmup.value = config.grWarmup;
    optimizer.value = config.optimizer;
    rate.value = text(config.learningRate);
    epochs.value = text(config.epochs);
    warmupEpochs.value = text(config.warmupEpochs);
    strengthOf(config);
    fit();
  };
  show(parseConfig(FIRST, 'settings'));

  return {
    show,
    read() {
      const given = (input: HTMLInputElement) => (input.disabled ? undefined : input.valueAsNumber);
      return {
        graph,
        trainFraction: fraction(),
        batchSize: BATCH_SIZE,
        gr: gr.value,
        grWarmup: warmup.value,
        lambda: given(lambda),
        r: given(r),
        optimizer: optimizer.value,
        learningRate: rate.valueAsNumber,
        epochs: epochs.valueAsNumber,
        warmupEpochs: warmupEpochs.valueAsNumber,
      };
    },
  };
}

const KINDS = ['none', 'exact', 'fd', 'sam'] as const satisfies readonly GrKind[];
/** In the order of the form. */
const WARMUPS = ['none', 'lambda', 'r', 'zero'] as const satisfies readonly GrWarmup[];
const OPTIMIZERS = ['adamw', 'adam', 'sgd', 'rmsprop'] as const satisfies readonly TrainConfig['optimizer'][];

/** Why a warmup does not go with a regularizer; the trainer itself says so. */
function refusal(kind: GrKind, warmup: GrWarmup, warmupEpochs: number): string | undefined {
  const strength = kind === 'exact' ? { lambda: 1 } : { lambda: 1, r: 1, alpha: 1 };
  try {
    grSchedule({ kind, warmup, warmupSteps: warmupEpochs > 0 ? 1 : 0, ...strength });
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // Without the flag before it, and the flags that would mend it.
    return error.message.replace(/^--gr-warmup \w+: /, '').replace(/;.*$/, '');
  }
}

function chosen<const T extends string>(select: HTMLSelectElement, values: readonly T[]): T {
  const found = values.find((value) => value === select.value);
  if (found === undefined) throw new Error(`internal: ${select.id} is ${select.value}`);
  return found;
}

function text(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}
