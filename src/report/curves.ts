/** The charts of one run, each a function of its metrics, for the run's report or for a page that compares runs. */
import { capitalized } from '../counted.ts';
import {
  labelWithUnit,
  lossInfo,
  type MetricInfo,
  type MetricInfos,
  namedMetrics,
  shownValue,
} from '../metrics/info.ts';
import type { MetricsLine } from '../storage/metrics.ts';
import type { Chart, Line } from './chart.node.ts';
import { type Point, series, smooth, thin } from './series.ts';

type Metrics = readonly MetricsLine[];

export function lossChart(metrics: Metrics, infos: MetricInfos): Chart {
  return { ...metricChart(metrics, lossInfo(infos)), title: 'Loss' };
}

/** A metric over the run: of every batch where it is measured there, and of what was evaluated. */
export function metricChart(metrics: Metrics, info: MetricInfo): Chart {
  const shown = (line: MetricsLine): number | null => shownValue(info, line);
  return {
    title: capitalized(info.label),
    yLabel: labelWithUnit(info),
    lines: [...noisy('train', series(metrics, 'train', shown)), ...evaluated(metrics, shown)],
  };
}

/** The charts of the metrics that have a curve of their own, but those that the run, once begun, never measured. */
export function metricCharts(metrics: Metrics, infos: MetricInfos): Chart[] {
  return namedMetrics(infos)
    .filter(({ isMinor }) => !isMinor)
    .filter(({ name }) => metrics.length === 0 || metrics.some((line) => name in line.metrics))
    .map((info) => metricChart(metrics, info));
}

/** The norm of the clean gradient, and that of the regularized gradient where there is one. */
export function gradientNormChart(metrics: Metrics): Chart {
  const clean = series(metrics, 'train', (line) => line.grad_norm);
  const regularized = series(metrics, 'train', (line) => line.gr_grad_norm);
  const spikes = metrics
    .filter(({ spike }) => spike !== null)
    .map(({ step, grad_norm }) => ({ x: step, value: grad_norm }));
  return {
    title: 'Gradient norm',
    yLabel: 'l2 norm, log scale',
    scale: 'log',
    lines: [
      { name: 'each batch', points: thin(clean), color: 'blue', stroke: 'faint' },
      { name: 'clean', points: smooth(clean), color: 'blue', stroke: 'solid' },
      { name: 'regularized', points: smooth(regularized), color: 'orange', stroke: 'dashed' },
      { name: 'spike', points: thin(spikes), color: 'purple', stroke: 'marks' },
    ],
  };
}

export function learningRateChart(metrics: Metrics): Chart {
  return inForce(metrics, 'Learning rate', 'learning rate', (line) => line.lr);
}

/** λ, r and α at each step, in a chart each, since their sizes differ. Empty without regularization. */
export function regularizationCharts(metrics: Metrics): Chart[] {
  if (!metrics.some(({ lambda }) => lambda)) return [];
  return [
    inForce(metrics, 'Penalty weight λ', 'λ', (line) => line.lambda),
    inForce(metrics, 'Perturbation radius r', 'r', (line) => line.r),
    inForce(metrics, 'Mixing weight α', 'α', (line) => line.alpha),
  ].filter(({ lines }) => lines.some(({ points }) => points.some(({ value }) => value !== null)));
}

export function speedChart(metrics: Metrics): Chart {
  const speed = series(metrics, 'train', (line) => line.examples_per_second);
  return { title: 'Speed', yLabel: 'examples/s', lines: noisy('training', speed) };
}

function inForce(
  metrics: Metrics,
  title: string,
  yLabel: string,
  of: (line: MetricsLine) => number | null,
): Chart {
  const points = thin(series(metrics, 'train', of));
  return { title, yLabel, lines: [{ name: 'in force', points, color: 'green', stroke: 'solid' }] };
}

function noisy(name: string, points: readonly Point[]): Line[] {
  return [
    { name: 'each batch', points: thin(points), color: 'blue', stroke: 'faint' },
    { name: `${name}, smoothed`, points: smooth(points), color: 'blue', stroke: 'solid' },
  ];
}

/** The evaluations during the run. Where there is a validation set, the test set is measured once, at the end. */
function evaluated(metrics: Metrics, of: (line: MetricsLine) => number | null): Line[] {
  return [
    { name: 'validation', points: thin(series(metrics, 'validation', of)), color: 'green', stroke: 'dotted' },
    { name: 'test', points: thin(series(metrics, 'test', of)), color: 'orange', stroke: 'dotted' },
    ...(['validation_ema', 'test_ema'] as const).map(
      (split): Line => ({
        name: `${split === 'test_ema' ? 'test' : 'validation'}, averaged weights`,
        points: thin(series(metrics, split, of)),
        color: 'purple',
        stroke: split === 'test_ema' ? 'dotted' : 'dashed',
      }),
    ),
  ];
}
