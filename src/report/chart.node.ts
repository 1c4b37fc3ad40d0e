/** One chart as HTML: lines over steps with a legend, drawn by Observable Plot without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { type Drawing, renderDrawing } from './drawing.ts';
import { type Html, html } from './html.ts';
import { type Point, quantile } from './series.ts';

/** Colours are named by role in the palette; the page gives them light and dark values. */
type Color = 'text' | 'blue' | 'orange' | 'green' | 'purple';

/**
 * How a line is drawn, so that lines differ in more than colour. `faint` is thin and pale, `dotted` has a mark at each
 * point, and `marks` are triangles without a line.
 */
type Stroke = 'solid' | 'dashed' | 'short' | 'long' | 'dashdot' | 'faint' | 'dotted' | 'marks';

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
  readonly color: Color;
  readonly stroke: Stroke;
}

export interface Chart {
  readonly title: string;
  /** What the vertical axis shows, with its unit in brackets. */
  readonly yLabel: string;
  readonly lines: readonly Line[];
  readonly scale?: 'linear' | 'log';
  /**
   * Where the vertical axis starts: at zero, so that a small change looks small, or at the data, to show small changes.
   */
  readonly from?: 'zero' | 'data';
  /** The horizontal axis; steps by default. */
  readonly x?: Axis;
  /**
   * How `low` and `high` are drawn: as a band, or as bars. Each bar has a mark; the bars of one place are side by side.
   */
  readonly spread?: 'band' | 'bars';
  /** The first step on the axis; 0 by default. */
  readonly firstStep?: number;
  /** The steps from 0 up to this one are shaded as warmup. */
  readonly warmupSteps?: number;
  /** `small`: a third of the page's width. By default it is half. */
  readonly size?: 'small';
}

interface Axis {
  readonly label: string;
  readonly scale?: 'linear' | 'log';
  /** The places on the axis, which are few, and their names. */
  readonly ticks: readonly { readonly x: number; readonly name: string }[];
}

/** The chart as a `<figure>`. Lines without a point to draw are left out; a single line needs no legend. */
export function renderChart(chart: Chart): Html {
  return renderDrawing(drawChart(chart), chart.size);
}

export function drawChart(chart: Chart): Drawing {
  const lines = drawnLines(chart);
  const legend = lines.map((line) => ({ name: line.name, sample: sample(line, chart.spread) }));
  return { title: chart.title, legend: lines.length > 1 ? legend : [], picture: plot(chart) };
}

function drawnLines({ lines, scale }: Chart): readonly Line[] {
  return lines.map((line) => ({ ...line, points: drawable(line.points, scale) })).filter(hasData);
}

/** The chart as an `<svg>` without title and legend; its colours are variables of the page. */
function plot(chart: Chart): Element {
  const { title, yLabel, scale = 'linear', x, spread = 'band', firstStep = 0, warmupSteps = 0, size } = chart;
  const lines = drawnLines(chart);
  return Plot.plot({
    document: parseHTML('<html></html>').document,
    width: size ? 330 : 440,
    height: size ? 230 : 270,
    marginLeft: 52,
    marginBottom: 42,
    marginTop: 28,
    marginRight: 14,
    ariaLabel: `${title}: ${lines.map(({ name }) => name).join(', ')} over ${x?.label ?? 'steps'}`,
    style: {
      background: 'none',
      color: 'inherit',
      fontSize: '13px',
      fontFamily: 'inherit',
      overflow: 'visible',
    },
    x: x ? placesAxis(x, lines) : stepsAxis(lines, firstStep, warmupSteps),
    y: {
      type: scale,
      domain: domain(lines, chart),
      // Rounding the ends of a logarithmic axis could add a whole decade.
      nice: !(scale === 'log' && chart.from === 'data'),
      label: yLabel,
      grid: true,
      ...(scale === 'log' ? logTicks(domain(lines, chart)) : { ticks: 6 }),
    },
    marks: [
      warmupSteps > firstStep
        ? Plot.rect([0], {
            x1: firstStep,
            x2: warmupSteps,
            fill: 'currentColor',
            fillOpacity: WARMUP_OPACITY,
          })
        : null,
      x ? null : Plot.ruleX([firstStep], { strokeOpacity: 0.3 }),
      ...(spread === 'band' ? lines.map(band) : []),
      ...lines.flatMap((line, i) =>
        spread === 'band'
          ? marks(line)
          : bars(line, BAR_PIXELS * (i - (lines.length - 1) / 2), x?.label ?? 'step'),
      ),
    ],
  });
}

function stepsAxis(lines: readonly Line[], firstStep: number, warmupSteps: number): Plot.ScaleOptions {
  const lastStep = Math.max(firstStep + 1, warmupSteps, ...lines.map(({ points }) => points.at(-1)?.x ?? 0));
  return { domain: [firstStep, lastStep], label: 'step', ticks: 5, tickFormat: thousands };
}

/** An axis of places, with room at both ends for the bars of the outermost places. */
function placesAxis({ label, scale = 'linear', ticks }: Axis, lines: readonly Line[]): Plot.ScaleOptions {
  const places = [...ticks.map(({ x }) => x), ...lines.flatMap(({ points }) => points.map(({ x }) => x))];
  const [low, high] = places.length === 0 ? [1, 1] : [Math.min(...places), Math.max(...places)];
  const room = scale === 'log' ? Math.max(1.2, (high / low) ** 0.1) : Math.max(0.5, (high - low) / 10);
  return {
    type: scale,
    domain: scale === 'log' ? [low / room, high * room] : [low - room, high + room],
    label,
    ticks: ticks.map(({ x }) => x),
    tickFormat: (at: number) => ticks.find(({ x }) => x === at)?.name ?? '',
  };
}

function thousands(step: number): string {
  return step < 1000 ? String(step) : `${step / 1000}k`;
}

const WARMUP_OPACITY = 0.1;
const BAND_OPACITY = 0.15;
/** The distance between the bars of one place. */
const BAR_PIXELS = 6;

interface StrokeStyle {
  readonly strokeWidth: number;
  readonly strokeDasharray?: string;
  readonly strokeOpacity?: number;
}

const STROKES: Readonly<Record<Stroke, StrokeStyle>> = {
  solid: { strokeWidth: 2 },
  dashed: { strokeWidth: 2, strokeDasharray: '6 4' },
  short: { strokeWidth: 2, strokeDasharray: '2 3' },
  long: { strokeWidth: 2, strokeDasharray: '13 3' },
  dashdot: { strokeWidth: 2, strokeDasharray: '9 3 2 3' },
  faint: { strokeWidth: 1, strokeOpacity: 0.35 },
  dotted: { strokeWidth: 1.5 },
  marks: { strokeWidth: 0 },
};

function marks(line: Line): Plot.Markish[] {
  const { points, color, stroke } = line;
  // A faint line is clipped, since its extremes are outside the axes. Others are not: a clip would cut in half a stroke
  // that runs along the frame.
  const at = { x: 'x', y: 'value', clip: stroke === 'faint' };
  const paint = `var(--${color})`;
  if (stroke === 'marks')
    return [
      Plot.dot(points, { x: 'x', y: 'value', symbol: 'triangle', r: 4, fill: paint, title: tip(line.name) }),
    ];
  const drawn = Plot.line(points, { ...at, ...STROKES[stroke], stroke: paint, strokeLinejoin: 'round' });
  // A line of one point would not be seen, so the point gets a mark.
  const isLone = points.filter(({ value }) => value !== null).length === 1;
  if (stroke !== 'dotted' && !isLone) return [drawn];
  // With many points the marks are small, so that they do not touch one another.
  const r = points.length > 60 ? 1.5 : 3;
  return [drawn, Plot.dot(points, { ...at, r, fill: paint, title: tip(line.name) })];
}

function band({ points, color }: Line): Plot.Markish {
  const known = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  const fill = `var(--${color})`;
  return Plot.areaY(known, { x: 'x', y1: 'low', y2: 'high', fill, fillOpacity: BAND_OPACITY });
}

/** The line with its marks and bars, moved by `dx` pixels, so that those of several lines do not cover one another. */
function bars(line: Line, dx: number, place: string): Plot.Markish[] {
  const { points, color, stroke } = line;
  const paint = `var(--${color})`;
  const known = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  return [
    Plot.line(points, { x: 'x', y: 'value', dx, ...STROKES[stroke], strokeWidth: 1.5, stroke: paint }),
    Plot.ruleX(known, { x: 'x', y1: 'low', y2: 'high', dx, stroke: paint, strokeWidth: 2 }),
    Plot.dot(points, { x: 'x', y: 'value', dx, r: 3.5, fill: paint, title: tip(line.name, place) }),
  ];
}

function tip(name: string, place = 'step'): (point: Point) => string {
  return ({ x, value }) => `${name}, ${place} ${x.toLocaleString('en')}: ${value?.toPrecision(4)}`;
}

/** A sample of the line as the chart draws it, for the legend. */
function sample({ color, stroke }: Line, spread: Chart['spread'] = 'band'): Html {
  if (stroke === 'marks')
    return html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M12 1L17 10H7Z" fill="var(--${color})"/></svg>`;
  const { strokeWidth, strokeDasharray = 'none' } = STROKES[stroke];
  const opacity = stroke === 'faint' ? 0.6 : 1;
  const marked = stroke === 'dotted' || spread === 'bars';
  const mark = marked ? html`<circle cx="12" cy="6" r="3" fill="var(--${color})"/>` : '';
  return html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M1 6H23" fill="none" stroke="var(--${color})" stroke-width="${strokeWidth}" stroke-dasharray="${strokeDasharray}" stroke-opacity="${opacity}"/>${mark}</svg>`;
}

/** A sample of the warmup's shade, for the text that explains it. */
export const warmupSample = html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M1 0H23V12H1Z" fill="currentColor" fill-opacity="${WARMUP_OPACITY}"/></svg>`;

/**
 * The ticks of a logarithmic axis. One of less than a decade has at most one power of ten, so it gets round numbers.
 */
function logTicks([low, high]: readonly [number, number]) {
  if (high / low >= 10) return { ticks: 4, tickFormat: '~r' };
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((times) => times * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return {
    ticks: Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step),
    tickFormat: (tick: number) => String(Number(tick.toPrecision(3))),
  };
}

/**
 * The range of the vertical axis: that of every line and its spread. The rare extremes of a faint (unsmoothed) line are
 * left out, since one wild batch would press all the rest flat.
 */
function domain(lines: readonly Line[], { scale = 'linear', from = 'zero' }: Chart): [number, number] {
  if (lines.length === 0) return scale === 'log' ? [1, 10] : [0, 1];
  const ends = (all: number, most: number) =>
    lines.map(({ points, stroke }) => quantile(withSpread(points), stroke === 'faint' ? most : all) ?? 1);
  const [low, high] = [Math.min(...ends(0, 0.01)), Math.max(...ends(1, 0.99))];
  if (scale === 'log') return from === 'data' ? [low / LOG_ROOM, high * LOG_ROOM] : [low, high];
  if (from === 'zero') return [Math.min(0, low), high || 1];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** The factor by which a logarithmic axis that starts at the data reaches beyond it at both ends. */
const LOG_ROOM = 1.1;

function withSpread(points: readonly Point[]): readonly Point[] {
  return points.flatMap((point) => [
    point,
    ...[point.low, point.high].flatMap((value) => (value === undefined ? [] : [{ x: point.x, value }])),
  ]);
}

/** The points that can be drawn. A logarithmic axis has no place for zero, so such a point becomes a gap. */
function drawable(points: readonly Point[], scale: Chart['scale']): readonly Point[] {
  if (scale !== 'log') return points;
  return points.map((point) =>
    point.value !== null && point.value > 0 ? point : { x: point.x, value: null },
  );
}

function hasData({ points }: Line): boolean {
  return points.some(({ value }) => value !== null);
}
