/** One chart as HTML: lines over steps, drawn by Observable Plot without a browser, with a legend beside the data. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Html, html } from './html.ts';
import { type Point, quantile } from './series.ts';

/** Colours are named by role in the palette (Okabe & Ito, for all colour vision); the page gives them light and dark values. */
type Color = 'blue' | 'orange' | 'green' | 'purple';

/**
 * Lines differ in stroke too, not only in colour: `faint` is thin and pale, `dotted` a line with a mark at each point,
 * `marks` triangles without a line.
 */
type Stroke = 'solid' | 'dashed' | 'faint' | 'dotted' | 'marks';

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
  /** Steps to shade as warmup, from 0. */
  readonly warmupSteps?: number;
  /** For a third of the page's width, or else for half of it. */
  readonly size?: 'small';
}

/** The chart as a `<figure>`. Lines without a point to draw are left out; a single line needs no legend. */
export function renderChart(chart: Chart): Html {
  const lines = chart.lines
    .map((line) => ({ ...line, points: drawable(line.points, chart.scale) }))
    .filter(hasData);
  const legend = lines.length > 1 ? lines.map((line) => html`<li>${sample(line)}${line.name}</li>`) : '';
  return html`<figure class="chart ${chart.size ?? ''}">
<figcaption><h3>${chart.title}</h3><ul class="legend">${legend}</ul></figcaption>
${svg(chart, lines)}
</figure>`;
}

function svg(
  { title, yLabel, scale = 'linear', warmupSteps = 0, size }: Chart,
  lines: readonly Line[],
): Html {
  const lastStep = Math.max(1, warmupSteps, ...lines.map(({ points }) => points.at(-1)?.step ?? 0));
  const figure = Plot.plot({
    document: parseHTML('<html></html>').document,
    width: size ? 330 : 440,
    height: size ? 230 : 270,
    marginLeft: 52,
    marginBottom: 42,
    marginTop: 28,
    marginRight: 14,
    ariaLabel: `${title}: ${lines.map(({ name }) => name).join(', ')} over steps`,
    style: {
      background: 'none',
      color: 'inherit',
      fontSize: '13px',
      fontFamily: 'inherit',
      overflow: 'visible',
    },
    x: { domain: [0, lastStep], label: 'step', ticks: 5, tickFormat: thousands },
    y: {
      type: scale,
      domain: domain(lines, scale),
      nice: true,
      label: yLabel,
      grid: true,
      ...(scale === 'log' ? { ticks: 4, tickFormat: '~r' } : { ticks: 6 }),
    },
    marks: [
      warmupSteps > 0
        ? Plot.rect([0], { x1: 0, x2: warmupSteps, fill: 'currentColor', fillOpacity: WARMUP_OPACITY })
        : null,
      Plot.ruleX([0], { strokeOpacity: 0.3 }),
      ...lines.flatMap(marks),
    ],
  });
  return new Html(figure.outerHTML);
}

function thousands(step: number): string {
  return step < 1000 ? String(step) : `${step / 1000}k`;
}

const WARMUP_OPACITY = 0.1;
const STROKES = {
  solid: { strokeWidth: 2 },
  dashed: { strokeWidth: 2, strokeDasharray: '6 4' },
  faint: { strokeWidth: 1, strokeOpacity: 0.35 },
  dotted: { strokeWidth: 1.5 },
  marks: { strokeWidth: 0 },
} as const satisfies Record<Stroke, object>;

function marks({ name, points, color, stroke }: Line): Plot.Markish[] {
  // The axes leave out a faint line's extremes; elsewhere a clip would halve a stroke that runs along the frame.
  const at = { x: 'step', y: 'value', clip: stroke === 'faint' };
  const paint = `var(--${color})`;
  const title = ({ step, value }: Point) =>
    `${name}, step ${step.toLocaleString('en')}: ${value?.toPrecision(4)}`;
  if (stroke === 'marks')
    return [Plot.dot(points, { x: 'step', y: 'value', symbol: 'triangle', r: 4, fill: paint, title })];
  const line = Plot.line(points, { ...at, ...STROKES[stroke], stroke: paint, strokeLinejoin: 'round' });
  if (stroke !== 'dotted') return [line];
  // Marks that would touch one another say nothing; a line is left then.
  const r = points.length > 60 ? 1.5 : 3;
  return [line, Plot.dot(points, { ...at, r, fill: paint, title })];
}

/** The stroke as it is in the chart, for the legend. */
function sample({ color, stroke }: Line): Html {
  const dash = stroke === 'dashed' ? '6 4' : 'none';
  if (stroke === 'marks')
    return html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M12 1L17 10H7Z" fill="var(--${color})"/></svg>`;
  const { strokeWidth } = STROKES[stroke];
  const opacity = stroke === 'faint' ? 0.6 : 1;
  const mark = stroke === 'dotted' ? html`<circle cx="12" cy="6" r="3" fill="var(--${color})"/>` : '';
  return html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M1 6H23" fill="none" stroke="var(--${color})" stroke-width="${strokeWidth}" stroke-dasharray="${dash}" stroke-opacity="${opacity}"/>${mark}</svg>`;
}

/** The warmup's shade, for the text that explains it. */
export const warmupSample = html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M1 0H23V12H1Z" fill="currentColor" fill-opacity="${WARMUP_OPACITY}"/></svg>`;

/**
 * The whole of every line, but of a faint (unsmoothed) one without its rare extremes: one wild batch would press
 * all the rest flat. A linear axis starts at zero, or a small change would look large.
 */
function domain(lines: readonly Line[], scale: 'linear' | 'log'): [number, number] {
  if (lines.length === 0) return scale === 'log' ? [1, 10] : [0, 1];
  const ends = (all: number, most: number) =>
    lines.map(({ points, stroke }) => quantile(points, stroke === 'faint' ? most : all) ?? 1);
  const [low, high] = [Math.min(...ends(0, 0.01)), Math.max(...ends(1, 0.99))];
  return scale === 'log' ? [low, high] : [Math.min(0, low), high || 1];
}

/** A logarithm has no place for zero. */
function drawable(points: readonly Point[], scale: Chart['scale']): readonly Point[] {
  if (scale !== 'log') return points;
  return points.map(({ step, value }) => ({ step, value: value !== null && value > 0 ? value : null }));
}

function hasData({ points }: Line): boolean {
  return points.some(({ value }) => value !== null);
}
