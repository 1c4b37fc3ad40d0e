/** What a training run shows while it runs: a live bar in a terminal, a plain line now and then elsewhere. */
import pc from 'picocolors';
import { printable } from '../errors.ts';
import {
  type MetricInfo,
  type MetricInfos,
  metricText,
  namedMetrics,
  OLD_METRICS,
  shortNumber,
} from '../metrics/info.ts';
import type { EvaluationRecord, TrainRecord } from '../storage/metrics.ts';
import { formatDuration } from './duration.ts';
import { openLiveLine } from './live-line.node.ts';

export interface ProgressOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly totalSteps: number;
  /** Steps done before this process, in a resumed run. */
  readonly startStep?: number;
  readonly stepsPerEpoch: number;
  /** How the run's metrics are shown; by default those of runs that do not say. */
  readonly metrics?: MetricInfos;
  /** Seconds between two plain lines where `stream` is not a terminal. */
  readonly everySeconds?: number;
  /** By default: in a terminal, unless NO_COLOR is set. */
  readonly color?: boolean;
  /** Milliseconds, from any origin. */
  readonly now?: () => number;
}

export interface Progress {
  step(record: TrainRecord): void;
  evaluated(record: EvaluationRecord): void;
  /** Prints a line of its own, above the bar where there is one. */
  note(text: string): void;
  /** Gives the terminal back; call it in a `finally`. */
  stop(): void;
}

const MAX_COLUMNS = 100;
const MIN_BAR = 3;
const MAX_BAR = 30;
/** A spike is printed only after this many steps without one. */
const QUIET_STEPS = 20;

/** How an evaluation's line names what was evaluated. */
const EVALUATED: Readonly<Record<EvaluationRecord['split'], string>> = {
  validation: 'validation',
  test: 'test',
  test_best: 'best checkpoint: test',
  validation_ema: 'averaged weights: validation',
  test_ema: 'averaged weights: test',
};

/** In order of appearance. If they do not fit the width, those in `EXPENDABLE` are left out, from its first on. */
type Field = 'epoch' | 'step' | 'loss' | 'metric' | 'norm' | 'lambda' | 'speed' | 'left';
const EXPENDABLE: readonly Field[] = ['speed', 'norm', 'step', 'lambda', 'metric', 'left'];

export function createProgress(options: ProgressOptions): Progress {
  const {
    stream,
    totalSteps,
    startStep = 0,
    stepsPerEpoch,
    metrics = OLD_METRICS,
    everySeconds = 10,
    now = () => performance.now(),
  } = options;
  const live = stream.isTTY === true;
  const colors = pc.createColors(options.color ?? (live && !process.env.NO_COLOR));
  const epochs = Math.ceil(totalSteps / stepsPerEpoch);
  const stepTime = runningMean();
  const infos = namedMetrics(metrics);
  const means = createEpochMeans();
  let last: TrainRecord | undefined;
  const isFirstSpike = createSpikeFilter();
  let lastStepAt: number | undefined;
  let printedAt = Number.NEGATIVE_INFINITY;

  const position = (step: number): string[] => [
    `epoch ${pad(Math.max(1, Math.ceil(step / stepsPerEpoch)), epochs)}/${epochs}`,
    `${pad(step, totalSteps)}/${totalSteps}`,
  ];

  function fields(): Map<Field, string> {
    const done = last?.step ?? startStep;
    const [epoch = '', step = ''] = position(done);
    const all: [Field, string][] = [
      ['epoch', epoch],
      ['step', step],
    ];
    if (last) all.push(...measuredFields(last, means, infos));
    const left = stepTime.mean() * (totalSteps - done);
    if (Number.isFinite(left)) all.push(['left', `${formatDuration(left / 1000)} left`]);
    return new Map(all);
  }

  const bar = (): string =>
    drawBar(fields(), {
      width: Math.min(MAX_COLUMNS, stream.columns ?? MAX_COLUMNS) - 1,
      fraction: (last?.step ?? startStep) / Math.max(1, totalSteps),
      colors,
      isBroken: last !== undefined && !Number.isFinite(means.loss()),
    });
  const line = live ? openLiveLine(stream, bar) : undefined;
  const note = line?.note ?? ((text: string) => stream.write(`${text}\n`));

  return {
    step(record) {
      const at = now();
      if (lastStepAt !== undefined) stepTime.add(at - lastStepAt);
      lastStepAt = at;
      last = record;
      means.add(record);
      if (isFirstSpike(record)) note(colors.yellow(spikeText(record, position(record.step))));
      if (line) return;
      const due = at - printedAt >= everySeconds * 1000 || record.step % stepsPerEpoch === 0;
      if (!due && record.step !== totalSteps) return;
      printedAt = at;
      note([...fields().values()].join('  '));
    },
    evaluated(record) {
      // The next step's time must not include the evaluation.
      lastStepAt = undefined;
      const result = [
        `${EVALUATED[record.split]} loss ${shortNumber(record.loss, 3)}`,
        ...infos.flatMap((info) => metricField(info, record.metrics[info.name], 2)),
      ];
      note([...position(record.step), colors.green(result.join('  '))].join('  '));
    },
    note: (text) => note(printable(text)),
    stop() {
      line?.stop();
    },
  };
}

/** What was measured, as means over the epoch or in the last step. Of the metrics it is the first that a step has. */
function measuredFields(last: TrainRecord, means: EpochMeans, infos: MetricInfos): [Field, string][] {
  const { grad_norm, lambda, examples_per_second: speed } = last;
  const first = infos.find(({ name }) => last.metrics[name] !== undefined);
  const metric = first ? metricField(first, means.metric(first.name), 1) : [];
  return [
    ['loss', `loss ${shortNumber(means.loss(), 3)}`],
    ...metric.map((text): [Field, string] => ['metric', text]),
    ['norm', `‖g‖ ${shortNumber(grad_norm)}`],
    ...(lambda === null ? [] : [['lambda', `λ ${shortNumber(lambda)}`] satisfies [Field, string]]),
    ['speed', `${speed.toFixed(speed < 10 ? 1 : 0)} ex/s`],
  ];
}

/** A metric as it is shown; nothing where it was not measured. */
function metricField(info: MetricInfo, value: number | undefined, digits: number): [] | [string] {
  return value === undefined ? [] : [`${info.short ?? info.label} ${metricText(info, value, digits)}`];
}

interface BarStyle {
  readonly width: number;
  /** How much of the run is done, 0 to 1. */
  readonly fraction: number;
  readonly colors: ReturnType<typeof pc.createColors>;
  /** Whether the loss is not finite. */
  readonly isBroken: boolean;
}

/** The bar behind the epoch, and the fields for which there is room. */
function drawBar(fields: Map<Field, string>, { width, fraction, colors, isBroken }: BarStyle): string {
  const shown = new Map(fields);
  const taken = () => [...shown.values()].reduce((sum, text) => sum + text.length + 2, 0);
  for (const field of EXPENDABLE) if (taken() + MIN_BAR > width) shown.delete(field);
  const cells = Math.max(0, Math.min(MAX_BAR, width - taken()));
  const full = Math.round(cells * fraction);
  const drawn = colors.cyan('█'.repeat(full)) + colors.dim('░'.repeat(cells - full));
  const paint = (field: Field, text: string): string => {
    if (field === 'epoch') return colors.bold(text);
    if (field === 'loss' && isBroken) return colors.red(text);
    return field === 'speed' || field === 'left' ? colors.dim(text) : text;
  };
  const [epoch = '', ...rest] = [...shown].map(([field, text]) => paint(field, text));
  return [epoch, drawn, ...rest].join('  ');
}

type EpochMeans = ReturnType<typeof createEpochMeans>;

/** Means over the epoch's steps so far, as far as this process took them. They are steadier than one batch. */
function createEpochMeans() {
  let epoch = Number.NaN;
  let [steps, loss] = [0, 0];
  let metrics = new Map<string, number>();
  return {
    add(record: TrainRecord): void {
      if (Math.ceil(record.epoch) !== epoch) {
        epoch = Math.ceil(record.epoch);
        [steps, loss, metrics] = [0, 0, new Map()];
      }
      steps++;
      loss += record.loss;
      for (const [name, value] of Object.entries(record.metrics))
        metrics.set(name, (metrics.get(name) ?? 0) + value);
    },
    loss: (): number => loss / steps,
    metric: (name: string): number => (metrics.get(name) ?? Number.NaN) / steps,
  };
}

/** Tells whether a step is a spike that is not closely preceded by another: a series of spikes is printed once. */
function createSpikeFilter(): (record: TrainRecord) => boolean {
  let spikeAt = Number.NEGATIVE_INFINITY;
  return ({ step, spike }) => {
    if (spike === null) return false;
    const isFirst = step - spikeAt > QUIET_STEPS;
    spikeAt = step;
    return isFirst;
  };
}

function spikeText({ grad_norm, gr_grad_norm, spike }: TrainRecord, position: readonly string[]): string {
  const regularized = gr_grad_norm === null ? '' : `, regularized ${shortNumber(gr_grad_norm)}`;
  return `${position.join('  ')}  spike: gradient norm ${shortNumber(grad_norm)}${regularized}, ${shortNumber(spike ?? 0, 1)} times its running median`;
}

/** A plain mean at first, which settles quickly; later an exponential mean, which follows a machine that slows down. */
function runningMean(): { add(value: number): void; mean(): number } {
  let mean = Number.NaN;
  let count = 0;
  return {
    add(value) {
      count++;
      mean = count === 1 ? value : mean + (value - mean) * Math.max(1 / count, 0.02);
    },
    mean: () => mean,
  };
}

function pad(n: number, widest: number): string {
  return String(n).padStart(String(widest).length);
}
