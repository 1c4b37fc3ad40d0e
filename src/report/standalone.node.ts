/** One drawing as an SVG file of its own: title and legend inside, colours resolved, on white. */
import type { Drawing, LegendEntry } from './drawing.ts';
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

export function standaloneSvg({ title, legend: entries, picture: figure }: Drawing, subtitle = ''): string {
  const width = Number(figure.getAttribute('width'));
  const legend = legendRows(entries, width - 2 * MARGIN);
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
<title>${title}</title>
<rect width="${width}" height="${height}" fill="var(--card)"/>
<text x="${MARGIN}" y="21" font-size="15" font-weight="bold">${title}</text>
<text x="${MARGIN}" y="39" font-size="12" fill="var(--soft)">${subtitle}</text>
${legend.flatMap((row, i) => row.map((entry) => legendEntry(entry, head + ROW_HEIGHT * i)))}
${new Html(figure.outerHTML)}
</svg>
`.text;
  return resolved(text, LIGHT);
}

interface Placed extends LegendEntry {
  readonly x: number;
}

/** The legend's rows, each with as many entries as fit. */
function legendRows(entries: readonly LegendEntry[], width: number): readonly (readonly Placed[])[] {
  const rows: Placed[][] = [];
  let x = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const needed = SAMPLE_WIDTH + LETTER_WIDTH * entry.name.length;
    if (x + needed > width) {
      rows.push([]);
      x = 0;
    }
    rows.at(-1)?.push({ ...entry, x });
    x += needed + MARGIN;
  }
  return rows;
}

function legendEntry({ name, sample, x }: Placed, y: number): Html {
  return html`<g transform="translate(${MARGIN + x} ${y})"><svg width="24" height="12">${sample}</svg><text x="${SAMPLE_WIDTH}" y="10.5">${name}</text></g>
`;
}
