import test from 'ava';
import { parseHTML } from 'linkedom';
import { type Table, toCsv, toHtml, toLatex, toMarkdown } from '../../../src/report/study/table.ts';

const table: Table = {
  name: 'errors',
  title: 'Errors in % & more',
  columns: [
    { name: 'run_id', kind: 'text' },
    { name: 'n', kind: 'number', digits: 0 },
    { name: 'error', kind: 'spread' },
    { name: 'difference', kind: 'interval' },
  ],
  rows: [
    [
      'a|b, "λ" = 5\u202f%',
      1200,
      { mean: 12.345, sd: 0.5, n: 3 },
      { mean: -1.25, low: -2.5, high: 0.001, n: 3 },
    ],
    ['~x^{2}\\#$<', null, { mean: 1 / 3, sd: null, n: 1 }, { mean: 0.5, low: null, high: null, n: 1 }],
  ],
};

test('Markdown', (t) => {
  t.deepEqual(toMarkdown(table).split('\n'), [
    '**Errors in % & more**',
    '',
    '| run\\_id | n | error | difference |',
    '| --- | ---: | ---: | ---: |',
    '| a\\|b, "λ" = 5\u202f% | 1,200 | 12.35 ± 0.50 | −1.25 (−2.50 to 0.00) |',
    '| ~x^{2}\\\\#$\\< | – | 0.33 | +0.50 |',
    '',
  ]);
});

test('CSV keeps the numbers, a column for each', (t) => {
  t.deepEqual(toCsv(table).split('\r\n'), [
    'run_id,n,error mean,error sd,difference,difference low,difference high',
    '"a|b, ""λ"" = 5\u202f%",1200,12.345,0.5,-1.25,-2.5,0.001',
    '~x^{2}\\#$<,,0.3333333333,,0.5,,',
    '',
  ]);
});

test('LaTeX escapes what it would not print', (t) => {
  t.deepEqual(toLatex(table).split('\n'), [
    '\\begin{table}',
    '\\centering',
    '\\caption{Errors in \\% \\& more}',
    '\\label{tab:errors}',
    '\\begin{tabular}{lrrr}',
    '\\hline',
    'run\\_id & n & error & difference \\\\',
    '\\hline',
    'a|b, "$\\lambda$" = 5\\,\\% & 1,200 & 12.35 $\\pm$ 0.50 & $-$1.25 ($-$2.50 to 0.00) \\\\',
    '\\textasciitilde{}x\\textasciicircum{}\\{2\\}\\textbackslash{}\\#\\$$<$ & -- & 0.33 & +0.50 \\\\',
    '\\hline',
    '\\end{tabular}',
    '\\end{table}',
    '',
  ]);
});

test('HTML', (t) => {
  const { document } = parseHTML(toHtml(table).text);
  const texts = (selector: string) =>
    [...document.querySelectorAll(selector)].map((cell) => cell.textContent);
  t.deepEqual(texts('caption'), ['Errors in % & more']);
  t.deepEqual(texts('th'), ['run_id', 'n', 'error', 'difference']);
  t.deepEqual(texts('td').slice(4), ['~x^{2}\\#$<', '–', '0.33', '+0.50']);
});

test('rows that begin alike stand under one heading', (t) => {
  const columns = ['setting', 'condition'].map((name) => ({ name, kind: 'text' as const }));
  const rows = [
    ['A', 'none'],
    ['A', 'GR'],
    ['B', 'none'],
  ];
  const { document } = parseHTML(toHtml({ name: 'x', title: 'x', columns, rows, isGrouped: true }).text);
  t.deepEqual(
    [...document.querySelectorAll('tr')].map((row) => row.textContent),
    ['condition', 'A', 'none', 'GR', 'B', 'none'],
  );
});
