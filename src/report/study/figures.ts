/** The study's figures: each a chart with the name of its files. */

import type { DiagnosticsLine, HessianLine, StepLine } from '../../storage/diagnostics-log.node.ts';
import type { MetricsLine } from '../../storage/metrics.ts';
import type { CellResult } from '../../study/results.node.ts';
import type { Chart, Line } from '../chart.node.ts';
import { chosenOn, type Point, series } from '../series.ts';
import { overRuns } from './bands.ts';
import { type Condition, WARMUPS } from './conditions.ts';
import type { Facets } from './facets.ts';
import type { Judged } from './judged.ts';
import { type Setting, settingName } from './settings.ts';

export interface Figure {
  /** The name of its files. */
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

/** The early steps end at this many times the warmup. */
export const EARLY = 3;

/** For each setting: the judged number while training, the same in the second half alone, and the training loss. */
export function courseFigures({ settings, conditions, judged }: Facets): readonly FigureGroup[] {
  const look = looks(conditions);
  return settings.map((setting) => group(setting, courseCharts(setting, look, judged)));
}

function courseCharts(setting: Setting, look: Look, judged: Judged): Chart[] {
  const steps = setting.arms.flatMap(({ cells }) => cells.map(({ totalSteps }) => totalSteps ?? 0));
  const half = Math.floor(Math.max(0, ...steps) / 2);
  const errors = ({ metrics }: CellResult) => series(metrics, chosenOn(metrics), judged.value);
  const isValidated = setting.arms.some(({ cells }) =>
    cells.some(({ metrics }) => chosenOn(metrics) === 'validation'),
  );
  const title = `${isValidated ? 'Validation' : 'Test'} ${judged.label}`;
  const losses = ({ metrics }: CellResult) => series(metrics, 'train', ({ loss }) => loss);
  const late = (cell: CellResult) => errors(cell).filter(({ x }) => x >= half);
  return [
    chart(setting, look, title, judged.axis, 'linear', errors),
    { ...chart(setting, look, `${title}, second half`, judged.axis, 'linear', late), firstStep: half },
    // Losses of single batches vary a lot: few points, each of a long stretch, make a line that can be seen.
    chart(setting, look, 'Training loss', judged.lossAxis, 'linear', losses, LOSS_POINTS),
  ];
}

const LOSS_POINTS = 50;

/** For each setting that has a warmup: gradient statistics up to three times its length. */
export function earlyFigures({ settings, conditions }: Facets): readonly FigureGroup[] {
  const look = looks(conditions);
  return settings
    .filter((setting) => longestWarmup(setting) > 0)
    .map((setting) => group(setting, earlyCharts(setting, look)))
    .filter(({ figures }) => figures.length > 0);
}

function earlyCharts(setting: Setting, look: Look): Chart[] {
  const end = EARLY * longestWarmup(setting);
  const early = (points: readonly Point[]) => points.filter(({ x }) => x <= end);
  const metric = (title: string, yLabel: string, measure: (line: MetricsLine) => number | null) =>
    chart(setting, look, title, yLabel, 'log', ({ metrics }) => early(series(metrics, 'train', measure)));
  const diagnostic = (
    title: string,
    yLabel: string,
    scale: 'linear' | 'log',
    measure: (line: StepLine) => number | null,
  ) => chart(setting, look, title, yLabel, scale, ({ diagnostics }) => early(ofSteps(diagnostics, measure)));
  return [
    metric('Clean gradient', '‖g‖, l2 norm', (line) => line.grad_norm),
    metric('Regularized gradient', 'l2 norm before clipping', (line) => line.gr_grad_norm),
    diagnostic('Clean to regularized gradient', 'angle (degrees)', 'linear', (line) => line.gr_angle),
    diagnostic(
      'Adaptive learning rate',
      'variance of log ψ, ψ = 1/(√v̂ + ε)',
      'log',
      ({ all }) => all.adaptive_rate_log_variance,
    ),
    diagnostic('Effective step size', 'lr/(√v̂ + ε), geometric mean', 'log', ({ all }) => all.step_size),
    diagnostic('Update over weights', '‖Δθ‖/‖θ‖', 'log', ({ all }) => all.update_ratio),
    chart(
      setting,
      look,
      'Largest Hessian eigenvalue',
      'eigenvalue, fixed batch',
      'linear',
      ({ diagnostics }) => early(ofHessians(diagnostics, (line) => line.top_eigenvalue)),
    ),
  ];
}

/** The longest warmup of a setting, in steps: its conditions may differ in it. */
function longestWarmup({ arms }: Setting): number {
  return Math.max(0, ...arms.map(({ warmupSteps }) => warmupSteps ?? 0));
}

function ofSteps(lines: readonly DiagnosticsLine[], measure: (line: StepLine) => number | null): Point[] {
  return lines.flatMap((line) => (line.kind === 'step' ? [{ x: line.step, value: measure(line) }] : []));
}

function ofHessians(lines: readonly DiagnosticsLine[], measure: (line: HessianLine) => number | null) {
  return lines.flatMap((line) => (line.kind === 'hessian' ? [{ x: line.step, value: measure(line) }] : []));
}

/** A chart with a line for each condition, over its runs that did not diverge. */
function chart(
  setting: Setting,
  look: Look,
  title: string,
  yLabel: string,
  scale: 'linear' | 'log',
  points: (cell: CellResult) => readonly Point[],
  most?: number,
): Chart {
  const lines = setting.arms.map(({ condition, cells }): Line => {
    const runs = cells.filter(({ state }) => state !== 'diverged').map(points);
    return { name: condition.name, points: overRuns(runs, scale, most), ...look(condition) };
  });
  const warmups = new Set(setting.arms.flatMap(({ warmupSteps }) => warmupSteps ?? []));
  return {
    title,
    yLabel: scale === 'log' ? `${yLabel}, log scale` : yLabel,
    lines,
    scale,
    from: 'data',
    // The warmup is shaded only where all lines have the same.
    warmupSteps: warmups.size === 1 ? longestWarmup(setting) : 0,
  };
}

function group(setting: Setting, charts: readonly Chart[]): FigureGroup {
  const title = settingName(setting);
  return { title, figures: drawn(charts, title) };
}

/** The figures of the charts that have something to show. */
export function drawn(charts: readonly Chart[], subtitle: string): Figure[] {
  return charts
    .filter(({ lines }) => lines.some(({ points }) => points.some(({ value }) => value !== null)))
    .map((each) => ({ name: fileName([each.title, subtitle]), subtitle, chart: each }));
}

/** The most characters of a file's name, so that with ending and number it stays within the usual 255 bytes. */
const LONGEST_NAME = 160;

/** Such as `test-error-adamw-lr-warmup`. */
export function fileName(words: readonly string[]): string {
  return words
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_NAME)
    .replace(/^-|-$/g, '');
}

export type Look = (condition: Condition) => Pick<Line, 'color' | 'stroke'>;

/** Looks by regularization, where these differ for all conditions of the study; else by the order of the conditions. */
export function looks(conditions: readonly Condition[]): Look {
  const texts = conditions.map((condition) => JSON.stringify(regularizationLook(condition)));
  if (new Set(texts).size === conditions.length) return regularizationLook;
  return ({ name }) => {
    const i = conditions.findIndex((other) => other.name === name);
    const round = Math.floor(i / CYCLE.length);
    return {
      color: CYCLE[i % CYCLE.length] ?? 'text',
      stroke: STROKES[(STROKES.length - 1 + i + round) % STROKES.length] ?? 'solid',
    };
  };
}

/** Each warmup has a colour of its own, in all variants. Variants differ in stroke. */
const regularizationLook: Look = ({ isRegularized, warmup, variantIndex }) => {
  if (!isRegularized) return { color: 'text', stroke: 'solid' };
  const rank = WARMUPS.indexOf(warmup);
  return { color: COLORS[warmup], stroke: STROKES[(rank + variantIndex) % STROKES.length] ?? 'dashed' };
};

const COLORS = { none: 'orange', lambda: 'green', r: 'purple', zero: 'blue' } as const;
const CYCLE = ['text', 'orange', 'blue', 'green', 'purple'] as const;
const STROKES = ['dashed', 'short', 'dashdot', 'long', 'solid'] as const;
