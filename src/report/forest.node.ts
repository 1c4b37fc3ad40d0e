/** A forest plot: differences with their intervals, one below the other, about the line of no difference. */

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { wrap } from '../wrap.ts';
import { type Drawing, renderDrawing } from './drawing.ts';
import { type Html, html } from './html.ts';

export interface ForestRow {
  readonly label: string;
  readonly mean: number;
  /** The ends of the thick bar, null where there is no interval. */
  readonly inner: Ends | null;
  /** The ends of the thin line, which reaches further. */
  readonly outer: Ends | null;
}

export interface Ends {
  readonly low: number;
  readonly high: number;
}

/** Rows under a heading. */
export interface ForestGroup {
  readonly heading: string;
  readonly rows: readonly ForestRow[];
}

export interface Forest {
  readonly title: string;
  /** What the horizontal axis shows, with its unit. */
  readonly xLabel: string;
  readonly groups: readonly ForestGroup[];
  /** What the thick bar and the thin line are. */
  readonly legend: readonly [inner: string, outer: string];
}

/** The plot as a `<figure>`. */
export function renderForest(forest: Forest): Html {
  return renderDrawing(drawForest(forest));
}

export function drawForest(forest: Forest): Drawing {
  const [inner, outer] = forest.legend;
  return {
    title: forest.title,
    legend: [
      {
        name: inner,
        sample: html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M1 6H23" stroke="var(--text)" stroke-width="4"/><circle cx="12" cy="6" r="4" fill="var(--text)"/></svg>`,
      },
      {
        name: outer,
        sample: html`<svg class="sample" viewBox="0 0 24 12" aria-hidden="true"><path d="M1 6H23" stroke="var(--text)" stroke-width="1.25"/></svg>`,
      },
    ],
    picture: plotForest(forest),
  };
}

const WIDTH = 440;
const MARGIN = 14;
const LINE = 15;
/** The height of the bar below its label. */
const BAR = 19;
const HEADING_GAP = 8;
/** At 12 px a letter is about this wide. */
const LETTER_WIDTH = 6.3;
/** The most letters that a line holds. */
const LETTERS = Math.floor((WIDTH - 2 * MARGIN) / LETTER_WIDTH);

/** A row, or a heading, at its place from the top in pixels. */
interface Placed {
  readonly y: number;
  readonly lines: readonly string[];
  readonly row: ForestRow | null;
}

/** The plot as an `<svg>` without title and legend. Labels stand above their bars, so that long ones have room. */
function plotForest({ title, xLabel, groups }: Forest): Element {
  const placed = place(groups);
  const rows = placed.flatMap(({ y, row, lines }) =>
    row ? [{ ...row, y: y + LINE * lines.length + BAR / 3 }] : [],
  );
  const last = placed.at(-1);
  const height = last ? last.y + heightOf(last) : 0;
  const texts = placed.flatMap(({ y, lines, row }) =>
    lines.map((text, i) => ({ text, y: y + LINE * (i + 0.5), isHeading: row === null })),
  );
  const color = ({ outer }: ForestRow) => (isClear(outer) ? 'var(--blue)' : 'var(--text)');
  const bar = (which: 'inner' | 'outer', strokeWidth: number) =>
    Plot.ruleY(
      rows.filter((row) => row[which] !== null),
      {
        x1: (row) => row[which]?.low,
        x2: (row) => row[which]?.high,
        y: 'y',
        stroke: color,
        strokeWidth,
        clip: true,
      },
    );
  const text = (isHeading: boolean) =>
    Plot.text(
      texts.filter((each) => each.isHeading === isHeading),
      {
        text: 'text',
        y: 'y',
        frameAnchor: 'left',
        textAnchor: 'start',
        fontSize: 12,
        fill: 'currentColor',
        ...(isHeading && { fontWeight: 'bold' }),
        stroke: 'var(--card)',
        strokeWidth: 3,
      },
    );
  return Plot.plot({
    document: parseHTML('<html></html>').document,
    width: WIDTH,
    height: height + 54,
    marginLeft: MARGIN,
    marginRight: MARGIN,
    marginTop: 8,
    marginBottom: 42,
    ariaLabel: `${title}: ${rows.length} differences with their intervals`,
    style: {
      background: 'none',
      color: 'inherit',
      fontSize: '13px',
      fontFamily: 'inherit',
      overflow: 'visible',
    },
    x: { domain: domain(rows), nice: true, label: xLabel, labelAnchor: 'center', ticks: 6 },
    y: { domain: [0, Math.max(1, height)], range: [8, 8 + height], axis: null },
    marks: [
      Plot.axisX({ ticks: 6, label: xLabel, labelAnchor: 'center' }),
      Plot.gridX({ ticks: 6 }),
      Plot.ruleX([0], { strokeDasharray: '4 3', strokeOpacity: 0.7 }),
      text(true),
      text(false),
      bar('outer', 1.25),
      bar('inner', 4),
      Plot.dot(rows, { x: 'mean', y: 'y', r: 4, fill: color, title: tip }),
    ],
  });
}

/** Whether an interval lies wholly on one side of 0. */
function isClear(ends: Ends | null): boolean {
  return ends !== null && (ends.low > 0 || ends.high < 0);
}

function tip({ label, mean, inner }: ForestRow): string {
  const ends = inner === null ? '' : ` (${inner.low.toPrecision(3)} to ${inner.high.toPrecision(3)})`;
  return `${label}: ${mean.toPrecision(3)}${ends}`;
}

function place(groups: readonly ForestGroup[]): readonly Placed[] {
  const placed: Placed[] = [];
  let y = 0;
  const add = (lines: readonly string[], row: ForestRow | null) => {
    const one = { y, lines, row };
    placed.push(one);
    y += heightOf(one);
  };
  for (const { heading, rows } of groups) {
    if (heading !== '') {
      y += placed.length === 0 ? 0 : HEADING_GAP;
      add(wrap(heading, LETTERS), null);
    }
    for (const row of rows) add(wrap(row.label, LETTERS), row);
  }
  return placed;
}

function heightOf({ lines, row }: Placed): number {
  return LINE * lines.length + (row ? BAR : 0);
}

/**
 * The range of all differences, intervals and 0. Intervals of few pairs may be very long, and would press all others
 * flat: beyond three times the range of the differences they run out of the frame.
 */
function domain(rows: readonly ForestRow[]): [number, number] {
  const means = [0, ...rows.map(({ mean }) => mean)];
  const ends = rows.flatMap(({ inner, outer }) =>
    [inner, outer].flatMap((each) => (each ? [each.low, each.high] : [])),
  );
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const reach = 3 * (most - least || 1);
  return [
    Math.max(least - reach, Math.min(least - reach / 60, ...ends)),
    Math.min(most + reach, Math.max(most + reach / 60, ...ends)),
  ];
}
