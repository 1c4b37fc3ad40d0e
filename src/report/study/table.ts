/** A table of results, written as Markdown, CSV, LaTeX or HTML. Cells hold numbers; writing makes texts of them. */
import { type Html, html } from '../html.ts';
import type { Interval, Spread } from './statistics.ts';

export interface Table {
  /** The name of its files. */
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Whether the page groups rows with the same first cell under a heading with that cell. */
  readonly isGrouped?: boolean;
}

export interface Column {
  readonly name: string;
  /**
   * `spread` is mean ± standard deviation, `interval` a difference with the two ends of its interval, `ratio` the same
   * of a ratio, `prose` text that wraps.
   */
  readonly kind: 'text' | 'prose' | 'number' | 'spread' | 'interval' | 'ratio';
  /** Digits after the decimal point; 2 by default. */
  readonly digits?: number;
  /** Significant digits, in place of `digits`, for what spans orders of magnitude. */
  readonly significant?: number;
}

type Cell = string | number | Spread | Interval | null;

const NOTHING = '–';

/** Markdown, as GitHub shows it. */
export function toMarkdown({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const escaped = (text: string) => text.replace(/[\\|*_`<>[\]]/g, '\\$&').replace(/\s*\n\s*/g, ' ');
  return [
    `**${escaped(title)}**`,
    '',
    line(columns.map(({ name }) => escaped(name))),
    line(columns.map((column) => (isText(column) ? '---' : '---:'))),
    ...rows.map((row) => line(columns.map((column, i) => escaped(show(row[i] ?? null, column))))),
    '',
  ].join('\n');
}

/** CSV by RFC 4180. A spread takes two columns, an interval three. Numbers have 10 digits; a missing one is empty. */
export function toCsv({ columns, rows }: Table): string {
  const line = (fields: readonly (string | number | null)[]) => fields.map(csvField).join(',');
  const heads = columns.flatMap(({ name, kind }) =>
    kind === 'spread'
      ? [`${name} mean`, `${name} sd`]
      : kind === 'interval' || kind === 'ratio'
        ? [name, `${name} low`, `${name} high`]
        : [name],
  );
  const body = rows.map((row) => line(columns.flatMap((column, i) => numbers(row[i] ?? null, column))));
  return [line(heads), ...body].map((text) => `${text}\r\n`).join('');
}

function numbers(cell: Cell, { kind }: Column): readonly (string | number | null)[] {
  const width = { text: 1, prose: 1, number: 1, spread: 2, interval: 3, ratio: 3 }[kind];
  if (cell === null) return Array.from({ length: width }, () => null);
  if (typeof cell !== 'object') return [cell];
  return 'sd' in cell ? [cell.mean, cell.sd] : [cell.mean, cell.low, cell.high];
}

function csvField(field: string | number | null): string {
  const text = typeof field === 'number' ? String(Number(field.toPrecision(10))) : (field ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A `table` environment that needs no package. */
export function toLatex({ name, title, columns, rows }: Table): string {
  const align = columns.map((column) => LATEX_ALIGNMENT[column.kind]).join('');
  const line = (cells: readonly string[]) => `${cells.map(latexText).join(' & ')} \\\\`;
  return [
    '\\begin{table}',
    '\\centering',
    `\\caption{${latexText(title)}}`,
    `\\label{tab:${name}}`,
    `\\begin{tabular}{${align}}`,
    '\\hline',
    line(columns.map((column) => column.name)),
    '\\hline',
    ...rows.map((row) => line(columns.map((column, i) => show(row[i] ?? null, column)))),
    '\\hline',
    '\\end{tabular}',
    '\\end{table}',
    '',
  ].join('\n');
}

const LATEX_ALIGNMENT = {
  text: 'l',
  prose: 'p{0.25\\textwidth}',
  number: 'r',
  spread: 'r',
  interval: 'r',
  ratio: 'r',
} as const satisfies Record<Column['kind'], string>;

/** The characters that LaTeX would not print as they are. Its input encoding takes the rest of Unicode. */
const LATEX: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '{': '\\{',
  '}': '\\}',
  '&': '\\&',
  '%': '\\%',
  $: '\\$',
  '#': '\\#',
  _: '\\_',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '$<$',
  '>': '$>$',
  λ: '$\\lambda$',
  α: '$\\alpha$',
  ψ: '$\\psi$',
  ν: '$\\nu$',
  θ: '$\\theta$',
  Δ: '$\\Delta$',
  ε: '$\\varepsilon$',
  '√': '$\\surd$',
  '‖': '$\\|$',
  v̂: '$\\hat v$',
  '±': '$\\pm$',
  '−': '$-$',
  '×': '$\\times$',
  '·': '$\\cdot$',
  '→': '$\\to$',
  '–': '--',
  '…': '\\ldots{}',
  '“': '``',
  '”': "''",
  '\u202f': '\\,',
  '\n': ' ',
};
const LATEX_SPECIAL = new RegExp(
  Object.keys(LATEX)
    .map((character) => character.replace(/[\\{}$^]/, '\\$&'))
    .join('|'),
  'gu',
);

function latexText(text: string): string {
  return text.replace(LATEX_SPECIAL, (character) => LATEX[character] ?? character);
}

/** The table for the page. On a small screen a wide table scrolls, and its first column stays in place. */
export function toHtml({ title, columns, rows, isGrouped = false }: Table): Html {
  const from = isGrouped ? 1 : 0;
  const shown = columns.slice(from);
  const head = shown.map(({ name, kind }) => html`<th scope="col" class="${kind}">${name}</th>`);
  const body = rows.map((row, at) => {
    const begins = isGrouped && row[0] !== rows[at - 1]?.[0];
    const heading = begins
      ? html`<tr class="heading"><th scope="rowgroup" colspan="${shown.length}"><span>${show(row[0] ?? null, { name: '', kind: 'text' })}</span></th></tr>`
      : '';
    const cells = shown.map(
      (column, i) => html`<td class="${column.kind}">${show(row[from + i] ?? null, column)}</td>`,
    );
    return html`${heading}<tr>${cells}</tr>\n`;
  });
  return html`<div class="scroll"><table class="results">
<caption>${title}</caption>
<thead><tr>${head}</tr></thead>
<tbody>${body}</tbody>
</table></div>`;
}

function isText({ kind }: Column): boolean {
  return kind === 'text' || kind === 'prose';
}

/** The text of a cell, as people read it. */
function show(cell: Cell, { kind, digits = 2, significant }: Column): string {
  if (cell === null || cell === '') return NOTHING;
  if (typeof cell === 'string') return cell;
  const text = (value: number) =>
    significant === undefined ? value.toFixed(digits) : rounded(value, significant);
  if (typeof cell === 'number') {
    if (kind !== 'number') return String(cell);
    return significant === undefined
      ? cell.toLocaleString('en', fixed(digits)).replace('-', '−')
      : text(cell);
  }
  if ('sd' in cell) return cell.sd === null ? text(cell.mean) : `${text(cell.mean)} ± ${text(cell.sd)}`;
  if (kind !== 'ratio') return showInterval(cell, digits);
  const { mean, low, high } = cell;
  return low === null || high === null ? `×${text(mean)}` : `×${text(mean)} (${text(low)} to ${text(high)})`;
}

/** `0.0123`, `1.23e−7`: with so many significant digits. */
function rounded(value: number, significant: number): string {
  const size = Math.abs(value);
  const text = value.toPrecision(significant);
  if (size !== 0 && (size < 1e-4 || size >= 1e5)) return Number(text).toExponential().replaceAll('-', '−');
  return String(Number(text)).replace('-', '−');
}

/** A difference with its sign, and its interval in brackets where there is one. */
export function showInterval({ mean, low, high }: Interval, digits = 2): string {
  const difference = signed(mean, digits);
  return low === null || high === null
    ? difference
    : `${difference} (${signed(low, digits)} to ${signed(high, digits)})`;
}

function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`;
}

function fixed(digits: number): Intl.NumberFormatOptions {
  return { minimumFractionDigits: digits, maximumFractionDigits: digits };
}
