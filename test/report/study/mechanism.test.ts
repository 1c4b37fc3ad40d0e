import test from 'ava';
import { facetsOf } from '../../../src/report/study/facets.ts';
import { mechanismRatios, mechanismTable } from '../../../src/report/study/mechanism.ts';
import { madeCell, SEEDS, studyOf } from './_study.ts';

const plain = SEEDS.map((seed) => madeCell({ seed }));
/** Runs of a condition whose metrics and diagnostics are those of `plain` with the gradient's norm times `factor`. */
const scaled = (factor: number) =>
  plain.map((cell, i) => ({
    ...madeCell({ gr: 'fd', grWarmup: 'zero', seed: SEEDS[i] ?? 0 }),
    diagnostics: cell.diagnostics,
    metrics: cell.metrics.map((line) =>
      line.split === 'train' ? { ...line, grad_norm: line.grad_norm && factor * line.grad_norm } : line,
    ),
  }));
const CLEAN = '‖g‖, clean';

function cellOf(table: ReturnType<typeof mechanismTable>, column: string, row: number) {
  return table.rows[row]?.[table.columns.findIndex(({ name }) => name === column)];
}

/** A number of a cell that is an interval or a spread. */
function part(cell: unknown, name: 'mean' | 'low' | 'high'): number {
  return typeof cell === 'object' && cell !== null ? Number(Reflect.get(cell, name)) : Number.NaN;
}

test('a condition that does in the early steps what no GR does has ratios of 1, and intervals of 1 to 1', (t) => {
  const table = mechanismRatios(facetsOf(studyOf([...plain, ...scaled(1)])));
  for (const { name } of table.columns.slice(2))
    t.deepEqual(cellOf(table, name, 0), { mean: 1, low: 1, high: 1, n: 3 }, name);
});

test('a ratio is the geometric mean over seeds, paired', (t) => {
  const ratio = cellOf(mechanismRatios(facetsOf(studyOf([...plain, ...scaled(3)]))), CLEAN, 0);
  t.like(ratio, { n: 3 });
  for (const name of ['mean', 'low', 'high'] as const) t.true(Math.abs(part(ratio, name) - 3) < 1e-9, name);
});

test('a quantity is the mean over the warmup, of the gradient the geometric one', (t) => {
  const [cell] = plain;
  const early = cell?.metrics.filter(({ split, step }) => split === 'train' && step <= 25) ?? [];
  const logs = early.map((line) => Math.log(line.split === 'train' ? (line.grad_norm ?? Number.NaN) : 0));
  const expected = Math.exp(logs.reduce((sum, value) => sum + value, 0) / logs.length);
  const table = mechanismTable(facetsOf(studyOf(cell ? [cell] : [])));
  t.is(logs.length, 25);
  t.true(Math.abs(part(cellOf(table, CLEAN, 0), 'mean') - expected) < 1e-12);
});
