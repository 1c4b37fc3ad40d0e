/** The study's figures: each a chart with the name of its files. */
import type { CellResult } from '../../study/results.ts';
import type { DiagnosticsLine, HessianLine, StepLine } from '../../train/diagnostics/log.ts';
import type { MetricsLine } from '../../train/metrics.ts';
import type { Chart, Line } from '../chart.ts';
import { errorPercent, type Point, series } from '../series.ts';
import { meanWithBand, overRuns } from './bands.ts';
import { type Condition, type Facets, type Setting, settingName, WARMUPS } from './facets.ts';
import { bySeed, finalError } from './measures.ts';
import { type Family, families } from './scale.ts';

export interface Figure {
  /** Of its files. */
  readonly name: string;
  /** Which runs it shows. */
  readonly subtitle: string;
  readonly chart: Chart;
}

/** Figures that belong together under a name. */
export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly Figure[];
}

/** How often as long as the warmup the early steps are. */
export const EARLY = 3;

/** Test error, that of the second half by itself, and training loss of each setting. */
export function courseFigures({ settings }: Facets): readonly FigureGroup[] {
  return settings.map((setting) => group(setting, courseCharts(setting)));
}

function courseCharts(setting: Setting): Chart[] {
  const steps = setting.arms.flatMap(({ cells }) => cells.map(({ totalSteps }) => totalSteps ?? 0));
  const half = Math.floor(Math.max(0, ...steps) / 2);
  const errors = ({ metrics }: CellResult) => series(metrics, 'test', errorPercent);
  const losses = ({ metrics }: CellResult) => series(metrics, 'train', ({ loss }) => loss);
  const late = (cell: CellResult) => errors(cell).filter(({ x }) => x >= half);
  return [
    chart(setting, 'Test error', 'error (%)', 'linear', errors),
    { ...chart(setting, 'Test error, second half', 'error (%)', 'linear', late), firstStep: half },
    // Of single batches: in stretches long enough to see a line.
    chart(setting, 'Training loss', 'cross-entropy (nats)', 'linear', losses, LOSS_POINTS),
  ];
}

const LOSS_POINTS = 50;

/** Gradient statistics of each setting that has a warmup, up to three times its length. */
export function earlyFigures({ settings }: Facets): readonly FigureGroup[] {
  return settings
    .filter(({ hasWarmup, warmupSteps }) => hasWarmup && warmupSteps !== null)
    .map((setting) => group(setting, earlyCharts(setting)))
    .filter(({ figures }) => figures.length > 0);
}

function earlyCharts(setting: Setting): Chart[] {
  const end = EARLY * (setting.warmupSteps ?? 0);
  const early = (points: readonly Point[]) => points.filter(({ x }) => x <= end);
  const metric = (title: string, yLabel: string, measure: (line: MetricsLine) => number | null) =>
    chart(setting, title, yLabel, 'log', ({ metrics }) => early(series(metrics, 'train', measure)));
  const look = (
    title: string,
    yLabel: string,
    scale: 'linear' | 'log',
    measure: (line: StepLine) => number | null,
  ) => chart(setting, title, yLabel, scale, ({ diagnostics }) => early(ofSteps(diagnostics, measure)));
  return [
    metric('Clean gradient', '‖g‖, l2 norm', (line) => line.grad_norm),
    metric('Regularized gradient', 'l2 norm before clipping', (line) => line.gr_grad_norm),
    look('Clean to regularized gradient', 'angle (degrees)', 'linear', (line) => line.gr_angle),
    look(
      'Adaptive learning rate',
      'variance of log ψ, ψ = 1/(√v̂ + ε)',
      'log',
      ({ all }) => all.adaptive_rate_log_variance,
    ),
    look('Effective step size', 'lr/(√v̂ + ε), geometric mean', 'log', ({ all }) => all.step_size),
    look('Update over weights', '‖Δθ‖/‖θ‖', 'log', ({ all }) => all.update_ratio),
    chart(setting, 'Largest Hessian eigenvalue', 'eigenvalue, fixed batch', 'linear', ({ diagnostics }) =>
      early(ofHessians(diagnostics, (line) => line.top_eigenvalue)),
    ),
  ];
}

function ofSteps(lines: readonly DiagnosticsLine[], measure: (line: StepLine) => number | null): Point[] {
  return lines.flatMap((line) => (line.kind === 'step' ? [{ x: line.step, value: measure(line) }] : []));
}

function ofHessians(lines: readonly DiagnosticsLine[], measure: (line: HessianLine) => number | null) {
  return lines.flatMap((line) => (line.kind === 'hessian' ? [{ x: line.step, value: measure(line) }] : []));
}

/** A line for each condition. */
function chart(
  setting: Setting,
  title: string,
  yLabel: string,
  scale: 'linear' | 'log',
  points: (cell: CellResult) => readonly Point[],
  most?: number,
): Chart {
  const lines = setting.arms.map(
    ({ condition, cells }): Line => ({
      name: condition.name,
      points: overRuns(cells.map(points), scale, most),
      ...styleOf(condition),
    }),
  );
  return {
    title,
    yLabel: scale === 'log' ? `${yLabel}, log scale` : yLabel,
    lines,
    scale,
    from: 'data',
    warmupSteps: setting.hasWarmup ? (setting.warmupSteps ?? 0) : 0,
  };
}

/** Final error over the number of training images, for settings that differ in nothing else. */
export function imagesFigures(facets: Facets): readonly Figure[] {
  return families(facets, 'fraction').flatMap((family) => {
    const known = family.members.flatMap((setting) => (setting.images === null ? [] : [setting.images]));
    const ticks = known.map((images) => ({ x: images, name: images.toLocaleString('en') }));
    const at = ({ images }: Setting) => images;
    return scaleFigure(family, 'Error over training images', { label: 'images', scale: 'log', ticks }, at);
  });
}

/** The same over models, the smallest first. */
export function modelFigures(facets: Facets): readonly Figure[] {
  return families(facets, 'model').flatMap((family) => {
    const ticks = family.members.map((setting, x) => ({ x, name: setting.model }));
    const at = (setting: Setting) => family.members.indexOf(setting);
    return scaleFigure(family, 'Error by model', { label: 'model', ticks }, at);
  });
}

function scaleFigure(
  { name, members, conditions }: Family,
  title: string,
  x: NonNullable<Chart['x']>,
  at: (setting: Setting) => number | null,
): Figure[] {
  const lines = conditions.map((condition): Line => {
    const points = members.flatMap((setting): Point[] => {
      const place = at(setting);
      const arm = setting.arms.find((each) => each.condition.name === condition.name);
      const errors = [...bySeed(arm, finalError).values()];
      return place === null || errors.length === 0 ? [] : [{ x: place, ...meanWithBand(errors) }];
    });
    return { name: condition.name, points, ...styleOf(condition) };
  });
  return drawn([{ title, yLabel: 'final test error (%)', lines, x, from: 'data', spread: 'bars' }], name);
}

function group(setting: Setting, charts: readonly Chart[]): FigureGroup {
  const title = settingName(setting);
  return { title, figures: drawn(charts, title) };
}

/** Those that have something to show. */
function drawn(charts: readonly Chart[], subtitle: string): Figure[] {
  return charts
    .filter(({ lines }) => lines.some(({ points }) => points.some(({ value }) => value !== null)))
    .map((each) => ({ name: fileName([each.title, subtitle]), subtitle, chart: each }));
}

/** `test-error-adamw-lr-warmup`. */
function fileName(words: readonly string[]): string {
  return words
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

/** A warmup has its colour, whatever is regularized; a second variant has other strokes. */
function styleOf({ isRegularized, warmup, variantIndex }: Condition): Pick<Line, 'color' | 'stroke'> {
  if (!isRegularized) return { color: 'text', stroke: 'solid' };
  const rank = WARMUPS.indexOf(warmup);
  return { color: COLORS[warmup], stroke: STROKES[(rank + variantIndex) % STROKES.length] ?? 'dashed' };
}

const COLORS = { none: 'orange', lambda: 'green', r: 'purple', zero: 'blue' } as const;
const STROKES = ['dashed', 'short', 'dashdot', 'long', 'solid'] as const;
