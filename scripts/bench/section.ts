/** A part of the benchmark's output: a table with its title and notes, as text that is also Markdown. Pure. */

export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  /** How many columns at the left hold words; the others hold numbers. */
  readonly words: number;
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

export function renderSection({ title, head, words, rows, notes }: Section): string[] {
  const widths = head.map((name, i) => Math.max(3, name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (i < words ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i < words ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [
    `### ${title}`,
    '',
    ...(rows.length === 0 ? [] : [line(head), rule, ...rows.map(line), '']),
    ...notes.map((note) => `- ${note}`),
    ...(notes.length === 0 ? [] : ['']),
  ];
}

export function fixed(value: number | undefined, digits = 0, unit = ''): string {
  return value === undefined || !Number.isFinite(value) ? '' : `${value.toFixed(digits)}${unit}`;
}

export function percent(share: number): string {
  return fixed(100 * share, 0, ' %');
}
