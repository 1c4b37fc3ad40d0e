/** One chart as an SVG file of its own: title and legend inside, colours resolved, on white. */
import { type Chart, type Line, legendLines, plot, sample } from './chart.node.ts';
import { Html, html } from './html.ts';
import { LIGHT, resolved } from './palette.ts';

/** The last font is generic, since a reader may have none of the others. */
const FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";
const MARGIN = 14;
const TITLE_HEIGHT = 28;
const SUBTITLE_HEIGHT = 18;
const ROW_HEIGHT = 20;
const SAMPLE_WIDTH = 30;
/** Slightly more than the mean width of a letter at 13 px: there is no font here to measure texts with. */
const LETTER_WIDTH = 7;

export function standaloneSvg(chart: Chart, subtitle = ''): string {
  const figure = plot(chart);
  const width = Number(figure.getAttribute('width'));
  const legend = legendRows(legendLines(chart), width - 2 * MARGIN);
  const head = TITLE_HEIGHT + (subtitle === '' ? 0 : SUBTITLE_HEIGHT);
  const top = head + ROW_HEIGHT * legend.length;
  const height = top + Number(figure.getAttribute('height')) + 4;
  // These rules are for a page. Programs other than browsers fail on them.
  figure.querySelector('style')?.remove();
  figure.setAttribute('style', 'font-size:13px');
  figure.setAttribute('font-family', FONT);
  figure.setAttribute('y', String(top));
  const text =
    html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="13" fill="currentColor">
<title>${chart.title}</title>
<rect width="${width}" height="${height}" fill="var(--card)"/>
<text x="${MARGIN}" y="21" font-size="15" font-weight="bold">${chart.title}</text>
<text x="${MARGIN}" y="39" font-size="12" fill="var(--soft)">${subtitle}</text>
${legend.flatMap((row, i) => row.map((entry) => legendEntry(entry, head + ROW_HEIGHT * i, chart.spread)))}
${new Html(figure.outerHTML)}
</svg>
`.text;
  return resolved(text, LIGHT);
}

interface Entry {
  readonly line: Line;
  readonly x: number;
}

/** The legend's rows, each with as many entries as fit. */
function legendRows(lines: readonly Line[], width: number): readonly (readonly Entry[])[] {
  const rows: Entry[][] = [];
  let x = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const needed = SAMPLE_WIDTH + LETTER_WIDTH * line.name.length;
    if (x + needed > width) {
      rows.push([]);
      x = 0;
    }
    rows.at(-1)?.push({ line, x });
    x += needed + MARGIN;
  }
  return rows;
}

function legendEntry({ line, x }: Entry, y: number, spread: Chart['spread']): Html {
  return html`<g transform="translate(${MARGIN + x} ${y})"><svg width="24" height="12">${sample(line, spread)}</svg><text x="${SAMPLE_WIDTH}" y="10.5">${line.name}</text></g>
`;
}
