/** The curves of a run, drawn while it trains. Only this file imports uPlot. */
import uPlot from 'uplot';
import { binaryAccuracy } from '../../metrics/classification.ts';
import { classifierMetrics, metricInfos, shownValue } from '../../metrics/info.ts';
import { type Point, series, smooth } from '../../report/series.ts';
import type { MetricsLine } from '../../storage/metrics.ts';

type Metrics = readonly MetricsLine[];

interface Curve {
  readonly name: string;
  readonly color: 'blue' | 'orange' | 'soft';
  readonly stroke: 'solid' | 'dashed' | 'faint';
  readonly points: (metrics: Metrics) => readonly Point[];
}

interface Chart {
  readonly title: string;
  /** What the vertical axis measures. */
  readonly measure: string;
  readonly scale?: 'log';
  /** The values that the axis always covers. */
  readonly range?: readonly [number, number];
  readonly curves: readonly Curve[];
  /** The curve that is also drawn of the run before, to compare them. */
  readonly compared: Curve;
}

const shares = [...classifierMetrics(), ...metricInfos({ accuracy: binaryAccuracy() })];
/** The accuracy of a classifier of many classes, or of two. */
const percent = (line: MetricsLine): number | null => {
  const accuracy = shares.find(({ name }) => name in line.metrics);
  return accuracy ? shownValue(accuracy, line) : null;
};
/** The moving median. Its window is wider than in a report, since runs in a page are short. */
const smoothed = (points: readonly Point[]): Point[] => smooth(points, 0.08);

const trainLoss: Curve = {
  name: 'training',
  color: 'blue',
  stroke: 'solid',
  points: (metrics) => smoothed(series(metrics, 'train', ({ loss }) => loss)),
};
const testAccuracy = (name: string): Curve => ({
  name,
  color: 'orange',
  stroke: 'solid',
  points: (metrics) => series(metrics, 'test', percent),
});
const cleanNorm: Curve = {
  name: 'clean',
  color: 'blue',
  stroke: 'solid',
  points: (metrics) => smoothed(series(metrics, 'train', (line) => line.grad_norm)),
};
const strength: Curve = {
  name: 'λ',
  color: 'blue',
  stroke: 'solid',
  points: (metrics) => series(metrics, 'train', ({ lambda }) => lambda),
};

/** What charts say of a run. */
export interface ChartOptions {
  /** The examples that it is tested on. */
  readonly tested: string;
  /** What examples are called. */
  readonly things: string;
  /** The loss that the axis always covers. */
  readonly top?: number;
}

const chartsOf = ({ tested, things, top }: ChartOptions): readonly Chart[] => [
  {
    title: 'Loss',
    measure: 'cross-entropy',
    ...(top !== undefined && { range: [0, top] }),
    curves: [
      {
        name: 'batch',
        color: 'blue',
        stroke: 'faint',
        points: (metrics) => series(metrics, 'train', ({ loss }) => loss),
      },
      trainLoss,
      {
        name: tested,
        color: 'orange',
        stroke: 'solid',
        points: (metrics) => series(metrics, 'test', ({ loss }) => loss),
      },
    ],
    compared: trainLoss,
  },
  {
    title: 'Accuracy',
    measure: `${things} right, %`,
    range: [0, 100],
    curves: [
      {
        name: 'training',
        color: 'blue',
        stroke: 'solid',
        points: (metrics) => smoothed(series(metrics, 'train', percent)),
      },
      testAccuracy(tested),
    ],
    compared: testAccuracy(tested),
  },
  {
    title: 'Gradient norm',
    measure: '‖g‖, log scale',
    scale: 'log',
    curves: [
      {
        name: 'batch',
        color: 'blue',
        stroke: 'faint',
        points: (metrics) => series(metrics, 'train', (line) => line.grad_norm),
      },
      cleanNorm,
      {
        name: 'regularized',
        color: 'orange',
        stroke: 'dashed',
        points: (metrics) => smoothed(series(metrics, 'train', (line) => line.gr_grad_norm)),
      },
    ],
    compared: cleanNorm,
  },
  {
    title: 'Strength of regularization',
    measure: 'λ',
    curves: [strength],
    compared: strength,
  },
];

const HEIGHT = 220;
/** The opacity of curves behind others. `.legend i.faint` in html.ts has the same. */
const FAINT = 0.45;
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export interface Curves {
  /** Draws the run so far. `before` has the lines of the run before, which are drawn in grey. */
  draw(metrics: Metrics, before: Metrics, warmupSteps: number): void;
}

/** Puts the charts into an element. */
export function createCurves(into: HTMLElement, options: ChartOptions): Curves {
  let warmup = 0;
  const plots = chartsOf(options).map((chart) => ({ chart, plot: plotOf(chart, into, () => warmup) }));
  const redraw = (): void => {
    for (const { plot } of plots) plot.redraw(false);
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  return {
    draw(metrics, before, warmupSteps) {
      warmup = warmupSteps;
      into.classList.toggle('compared', before.length > 0);
      into.classList.toggle('warmed', warmup > 0);
      for (const { chart, plot } of plots) plot.setData(columns(chart, metrics, before));
    },
  };
}

/** One axis of steps for all curves, with gaps where a curve has no point. */
function columns({ curves, compared }: Chart, metrics: Metrics, before: Metrics): uPlot.AlignedData {
  const all = [compared.points(before), ...curves.map(({ points }) => points(metrics))];
  const steps = [...new Set(all.flatMap((points) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  const places = new Map(steps.map((step, i) => [step, i]));
  return [
    steps,
    ...all.map((points) => {
      const column = Array.from(steps, (): number | null => null);
      for (const { x, value } of points) column[places.get(x) ?? 0] = value;
      return column;
    }),
  ];
}

function plotOf(chart: Chart, into: HTMLElement, warmupSteps: () => number): uPlot {
  const figure = Object.assign(document.createElement('figure'), { className: 'chart' });
  const title = Object.assign(document.createElement('h2'), { textContent: chart.title });
  const legend = Object.assign(document.createElement('ul'), { className: 'legend' });
  const before = sample(beforeOf(chart));
  before.className = 'before';
  const warmup = Object.assign(document.createElement('li'), { className: 'warmup' });
  warmup.append(document.createElement('i'), 'warmup');
  legend.append(...chart.curves.map(sample), before, warmup);
  figure.append(title, legend);
  into.append(figure);
  const width = (): number => Math.max(200, figure.clientWidth - 24);
  const plot = new uPlot(optionsOf(chart, width(), warmupSteps), [[]], figure);
  new ResizeObserver(() => plot.setSize({ width: width(), height: HEIGHT })).observe(figure);
  return plot;
}

function sample({ name, color, stroke }: Curve): HTMLElement {
  const item = document.createElement('li');
  const line = Object.assign(document.createElement('i'), { className: stroke });
  line.style.setProperty('--color', `var(--${color})`);
  item.append(line, name);
  return item;
}

function optionsOf(chart: Chart, width: number, warmupSteps: () => number): uPlot.Options {
  const axis = (options: uPlot.Axis = {}): uPlot.Axis => ({
    stroke: () => inked('soft'),
    grid: { stroke: () => inked('rule'), width: 1 },
    ticks: { show: false },
    font: FONT,
    labelFont: FONT,
    labelSize: 18,
    labelGap: 0,
    gap: 4,
    ...options,
  });
  const shown =
    (digits: number) =>
    (_: uPlot, splits: readonly (number | null)[]): string[] =>
      splits.map((value) => (value === null ? '' : String(Number(value.toPrecision(digits)))));
  return {
    width,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: (_, _from, to) => [0, Math.max(20, to ?? 0)] },
      y: {
        ...(chart.scale === 'log' ? { distr: 3 } : {}),
        range: (_, from, to) => rangeOf(chart, from, to),
      },
    },
    axes: [
      axis({ size: 24, label: 'step', values: shown(6) }),
      axis({ size: 46, label: chart.measure, values: shown(3) }),
    ],
    series: [{}, ...[beforeOf(chart), ...chart.curves].map(drawn)],
    hooks: { drawClear: [(plot) => shade(plot, warmupSteps())] },
  };
}

/** The curve of the run before, drawn behind that of this run. */
function beforeOf({ compared }: Chart): Curve {
  return { ...compared, name: 'the run before', color: 'soft', stroke: 'solid' };
}

function drawn({ color, stroke }: Curve): uPlot.Series {
  return {
    stroke: () => inked(color),
    width: stroke === 'faint' ? 1 : 2,
    alpha: stroke === 'faint' ? FAINT : 1,
    spanGaps: true,
    points: { show: false },
    ...(stroke === 'dashed' ? { dash: [6, 4] } : {}),
  };
}

function rangeOf(
  { scale, range: [low, high] = [0, 0] }: Chart,
  from: number,
  to: number,
): uPlot.Range.MinMax {
  // Nothing is drawn yet.
  if (from === null || to === null) return scale === 'log' ? [0.1, 10] : [low, high || 0.01];
  if (scale === 'log') return [from / 1.2, 1.2 * to];
  return [Math.min(low, from), to > high ? 1.1 * to : high || 0.01];
}

/** The steps of warmup. */
function shade({ ctx, bbox, valToPos }: uPlot, steps: number): void {
  const right = Math.min(bbox.left + bbox.width, valToPos(steps, 'x', true));
  if (!(right > bbox.left)) return;
  ctx.save();
  ctx.fillStyle = inked('rule');
  ctx.globalAlpha = 0.4;
  ctx.fillRect(bbox.left, bbox.top, right - bbox.left, bbox.height);
  ctx.restore();
}

/** A colour of the page's style, light or dark by the system. */
function inked(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
