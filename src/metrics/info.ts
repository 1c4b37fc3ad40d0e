/**
 * What a display must know of a run's metrics, which records hold by name: terminals, TensorBoard, reports and studies
 * are made from this. Pure: also for browsers.
 */

/** One metric, or the loss under the name `loss`. */
export interface MetricInfo {
  /** The name in the records. */
  readonly name: string;
  /** In words, for titles and sentences: `accuracy`, `MAE`. */
  readonly label: string;
  /** In a few characters, for a line of a terminal; the label by default. */
  readonly short?: string;
  /** A share of 1, which is shown in per cent. */
  readonly isShare: boolean;
  /** What it is measured in, where that is not per cent. */
  readonly unit?: string;
  readonly better: 'higher' | 'lower';
  /** Adds little to the others: shown where a set was evaluated, without a curve of its own. */
  readonly isMinor?: boolean;
}

export type MetricInfos = readonly MetricInfo[];

/** What was measured of a batch or of a whole set. A number that was not finite is null. */
export interface Measured {
  readonly loss: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
}

const LOSS_NAME = 'loss';
const LOSS: MetricInfo = { name: LOSS_NAME, label: 'loss', isShare: false, better: 'lower' };

/** What tells one class from the others. Without `classes` there are many. Of five classes or fewer top-5 says nothing. */
export function classifierMetrics(classes = Number.POSITIVE_INFINITY): MetricInfos {
  return [
    { name: 'top1', label: 'accuracy', short: 'acc', isShare: true, better: 'higher' },
    ...(hasTop5(classes) ? [TOP5] : []),
    { name: LOSS_NAME, label: 'cross-entropy', isShare: false, unit: 'nats', better: 'lower' },
  ];
}

const TOP5: MetricInfo = {
  name: 'top5',
  label: 'top-5 accuracy',
  short: 'top-5',
  isShare: true,
  better: 'higher',
  isMinor: true,
};

/** Whether top-5 accuracy says something: with five classes or fewer it is always 1. */
export function hasTop5(classes: number): boolean {
  return classes > 5;
}

/** The infos of a run that was saved before runs said what they measure: all of these told classes apart. */
export const OLD_METRICS = classifierMetrics();

/** What describes a metric, as a task gives it: as `MetricInfo`, where its name stands beside it. */
export interface DescribedMetric
  extends Pick<MetricInfo, 'better'>,
    Partial<Omit<MetricInfo, 'name' | 'better'>> {
  /** Its number says only what another one does: it is in records, and nowhere shown. */
  readonly isHidden?: boolean;
}

/**
 * The infos of a task's metrics, in its order, and of its loss. A metric without a label, or with the label of another one, is called by
 * its name. Throws an Error for a name that records cannot hold.
 */
export function metricInfos(
  metrics: Readonly<Record<string, DescribedMetric>>,
  loss: Omit<DescribedMetric, 'better'> = {},
): MetricInfos {
  for (const name of Object.keys(metrics)) expectMetricName(name);
  const entries = Object.entries(metrics).filter(([, { isHidden }]) => !isHidden);
  const labels = entries.map(([name, { label = name }]) => label);
  const isAlone = (label: string): boolean => labels.filter((other) => other === label).length === 1;
  return [
    ...entries.map(([name, metric]) => {
      const label = metric.label !== undefined && isAlone(metric.label) ? metric.label : name;
      return infoOf(name, label, metric);
    }),
    infoOf(LOSS_NAME, loss.label ?? LOSS.label, { ...loss, better: LOSS.better }),
  ];
}

function infoOf(name: string, label: string, described: DescribedMetric): MetricInfo {
  const { short, unit, isMinor, isShare = false, better } = described;
  return {
    name,
    label,
    ...(short !== undefined && label === described.label && { short }),
    isShare,
    ...(unit !== undefined && { unit }),
    better,
    ...(isMinor && { isMinor }),
  };
}

/** The keys of a record that are not metrics (storage/metrics.ts), the last of them in old files. No metric has such a name. */
export const RECORD_KEYS = [
  'step',
  'epoch',
  'split',
  LOSS_NAME,
  'grad_norm',
  'gr_grad_norm',
  'lr',
  'lambda',
  'r',
  'alpha',
  'spike',
  'examples_per_second',
  'images_per_second',
] as const;

/** Throws an Error for a name that a metric may not have. */
export function expectMetricName(name: string): void {
  const reserved = RECORD_KEYS.find((key) => key === name);
  if (reserved !== undefined) {
    throw new Error(
      `metric ${name}: a record already has a ${reserved}; give it a name other than ${RECORD_KEYS.join(', ')}`,
    );
  }
  if (!/^[\p{L}_][\p{L}\p{N}_.@-]*$/u.test(name) || name === '__proto__') {
    throw new Error(
      `metric ${JSON.stringify(name)}: expected a name of letters, digits and _ . @ -, which begins with a letter`,
    );
  }
}

/** The metric that decides which checkpoint is the best: the first; without any, the loss. */
export function judgeOf(infos: MetricInfos): MetricInfo {
  return namedMetrics(infos)[0] ?? lossInfo(infos);
}

export function lossInfo(infos: MetricInfos): MetricInfo {
  return infos.find(isLoss) ?? LOSS;
}

export function isLoss({ name }: Pick<MetricInfo, 'name'>): boolean {
  return name === LOSS_NAME;
}

/** All but the loss. */
export function namedMetrics(infos: MetricInfos): MetricInfos {
  return infos.filter((info) => !isLoss(info));
}

/** The number of one metric; null where it was not measured or not finite. */
export function metricValue(info: Pick<MetricInfo, 'name'>, { loss, metrics }: Measured): number | null {
  return isLoss(info) ? loss : (metrics[info.name] ?? null);
}

/** As `metricValue`, a share in per cent. */
export function shownValue(info: MetricInfo, measured: Measured): number | null {
  const value = metricValue(info, measured);
  return value === null || !info.isShare ? value : 100 * value;
}

/** The metric with its unit, for an axis or the head of a column: `accuracy (%)`, `MAE`. */
export function labelWithUnit({ label, isShare, unit }: MetricInfo): string {
  const shown = isShare ? '%' : unit;
  return shown === undefined ? label : `${label} (${shown})`;
}

/** A metric's number as text: `87.50%` with `digits` decimals, or few characters for any other number. */
export function metricText(
  { isShare }: Pick<MetricInfo, 'isShare'>,
  value: number,
  digits: number,
  percent = '%',
): string {
  return isShare ? `${(100 * value).toFixed(digits)}${percent}` : shortNumber(value, 3);
}

/** Few characters, whatever the magnitude: 2.30, 0.010, 1.2e-5, 1840. */
export function shortNumber(x: number, decimals = 2): string {
  const size = Math.abs(x);
  if (!Number.isFinite(x) || size === 0) return String(x);
  if (size >= 1e6 || size < 1e-3) return x.toExponential(1);
  return x.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? decimals : 3);
}

/**
 * The metric as what is wrong, of which less is better: the accuracy's counterpart is the error in per cent, 100(1 − x).
 * A metric of which less is better already stays, and so does one that is not a share, whose largest value is not known.
 */
export function errorOf(info: MetricInfo): {
  readonly label: string;
  readonly unit: string | undefined;
  readonly better: MetricInfo['better'];
  readonly value: (measured: Measured) => number | null;
} {
  const { label, isShare, unit, better } = info;
  if (!isShare || better === 'lower') {
    return { label, unit: isShare ? '%' : unit, better, value: (measured) => shownValue(info, measured) };
  }
  return {
    label: label === 'accuracy' ? 'error' : `error of ${label}`,
    unit: '%',
    better: 'lower',
    value: (measured) => {
      const share = metricValue(info, measured);
      return share === null ? null : 100 * (1 - share);
    },
  };
}
