/** Studies that are judged by something else than an accuracy. */
import test from 'ava';
import { type MetricInfos, metricInfos } from '../../../src/metrics/info.ts';
import { judgeClaims, ruleText } from '../../../src/report/study/claims.ts';
import { allFigures, studyContent } from '../../../src/report/study/content.node.ts';
import { facetsOf } from '../../../src/report/study/facets.ts';
import { judgedBy } from '../../../src/report/study/judged.ts';
import { bestError, finalError } from '../../../src/report/study/measures.ts';
import { renderStudy } from '../../../src/report/study/page.node.ts';
import { toCsv, toMarkdown } from '../../../src/report/study/table.ts';
import type { StudyResults } from '../../../src/study/results.node.ts';
import { REGRESSION } from '../../storage/_records.ts';
import { madeCell, wholeStudy } from './_study.ts';

const R2_FIRST = metricInfos({
  r2: { label: 'R²', better: 'higher' },
  mae: { label: 'MAE', better: 'lower' },
});

/** The same runs, which measured a MAE of a hundredth of the error in per cent, and R² as what is left of 1. */
function measuring(infos: MetricInfos, study: StudyResults = wholeStudy()): StudyResults {
  return {
    ...study,
    cells: study.cells.map((cell) => ({
      ...cell,
      infos,
      metrics: cell.metrics.map((line) => {
        const right = line.metrics.top1 ?? null;
        return { ...line, metrics: right === null ? {} : { mae: 1 - right, r2: right } };
      }),
    })),
  };
}

const verdicts = (study: StudyResults) => judgeClaims(facetsOf(study)).map(({ verdict }) => verdict);

test('the final number is the last one, the best the lowest MAE and the highest R²', (t) => {
  const { cells } = measuring(REGRESSION);
  const [cell = madeCell()] = cells;
  const values = cell.metrics.flatMap(({ split, metrics }) => (split === 'test' ? [metrics.mae ?? 9] : []));
  const mae = judgedBy(cells);
  t.is(mae.axis, 'MAE (k$)');
  t.is(finalError(mae)(cell), values.at(-1) ?? null);
  t.is(bestError(mae)(cell), Math.min(...values));
  const r2 = judgedBy(measuring(R2_FIRST).cells);
  const [other = madeCell()] = measuring(R2_FIRST).cells;
  t.is(r2.axis, 'R²');
  t.is(bestError(r2)(other), 1 - Math.min(...values));
});

test('claims are judged as those of an error, in the words of the metric; of R² by its negative', (t) => {
  const expected = verdicts(wholeStudy());
  t.true(expected.includes('agrees') && new Set(expected).size > 1);
  for (const infos of [REGRESSION, R2_FIRST]) t.deepEqual(verdicts(measuring(infos)), expected);
  const words = (infos: MetricInfos) => judgeClaims(facetsOf(measuring(infos))).map(({ claim }) => claim);
  t.true(words(REGRESSION).includes('GR with zero-warmup has a lower test MAE than GR alone'));
  t.true(words(R2_FIRST).includes('GR with zero-warmup has a lower test −R² than GR alone'));
  t.regex(
    ruleText(judgedBy(measuring(REGRESSION).cells)),
    / MAEs are those of the last evaluation, in k\$\. /,
  );
});

test('tables and figures name the metric, with enough digits to tell runs apart', (t) => {
  const content = studyContent(measuring(REGRESSION));
  const errors = toMarkdown(content.tables.errors);
  t.regex(errors, /\*\*Test MAE in k\$: mean ± standard deviation over seeds, and paired difference/);
  t.regex(errors, /\| final MAE \(k\$\) \| runs done \| to none \| pairs \| best MAE \(k\$\) \|/);
  t.regex(errors, /\| 0\.3\d\d\d ± 0\.00\d\d \|/);
  t.regex(toCsv(content.tables.runs), /^run,state,final MAE \(k\$\),best MAE \(k\$\),images\/s,/);
  t.regex(content.tables.sizes.title, /^Final test MAE in k\$ by number of training images: /);
  const titles = new Set(allFigures(content).map(({ drawing }) => drawing.title));
  for (const title of ['Test MAE', 'Test MAE, second half', 'MAE over training images', 'MAE by model'])
    t.true(titles.has(title), title);
  const loss = content.course[0]?.figures.find(({ chart }) => chart.title === 'Training loss');
  t.is(loss?.chart.yLabel, 'mean squared error');
});

test('the page of a regression does not speak of errors or accuracy in its own words', (t) => {
  const page = renderStudy(studyContent(measuring(REGRESSION)));
  t.true(page.includes('<h2>Test MAE and training loss</h2>'));
  t.regex(page, /MAEs are of the test images\. .* So the best MAE was chosen/);
  const own = page.slice(page.indexOf('<main>')).replace(/Authors:.*?<\/p>/gs, '');
  t.notRegex(own, /accuracy|test error|error \(%\)|final error/i);
});

test('runs that are judged by different metrics are compared by their loss', (t) => {
  const { cells } = measuring(REGRESSION);
  const mixed = cells.map((cell, i) => (i === 0 ? { ...cell, infos: R2_FIRST } : cell));
  const judged = judgedBy(mixed);
  t.deepEqual([judged.label, judged.better], ['loss', 'lower']);
  const [cell = madeCell()] = mixed;
  t.is(finalError(judged)(cell), cell.metrics.findLast(({ split }) => split === 'test')?.loss ?? null);
});

test('a run that did not end well does not say what it measures, and has no say', (t) => {
  const { cells } = measuring(REGRESSION);
  t.is(judgedBy([madeCell({ state: 'failed' }), ...cells]).label, 'MAE');
  t.is(judgedBy([madeCell({ state: 'unfinished' })]).label, 'error');
});
