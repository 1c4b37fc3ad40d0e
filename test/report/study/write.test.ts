import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseHTML } from 'linkedom';
import { UserError } from '../../../src/errors.ts';
import { studyContent } from '../../../src/report/study/content.node.ts';
import { renderStudy } from '../../../src/report/study/page.node.ts';
import { writeStudyReport } from '../../../src/report/study/write.node.ts';
import type { StudyResults } from '../../../src/study/results.node.ts';
import { temporaryFolder } from '../../storage/_records.ts';
import { madeCell, studyOf, wholeStudy } from './_study.ts';

function page(study: StudyResults) {
  const text = renderStudy(studyContent(study));
  const { document } = parseHTML(text);
  const texts = (selector: string) =>
    [...document.querySelectorAll(selector)].map((node) => node.textContent ?? '');
  return { text, document, texts };
}

const small = () =>
  studyOf([
    madeCell({ gr: 'none', steps: 80 }),
    madeCell({ gr: 'fd', steps: 80 }),
    madeCell({ gr: 'fd', grWarmup: 'zero', steps: 80 }),
  ]);

test('page, figures and tables are written, and nothing else', async (t) => {
  const folder = temporaryFolder(t);
  const { report } = await writeStudyReport(folder, small());
  t.is(report, join(folder, 'report.html'));
  t.deepEqual(readdirSync(folder).sort(), ['figures', 'report.html', 'tables']);
  const figures = readdirSync(join(folder, 'figures'));
  t.deepEqual(
    figures.filter((name) => name.endsWith('.svg')).map((name) => name.slice(0, -4)),
    [
      'adaptive-learning-rate-all-runs',
      'clean-gradient-all-runs',
      'clean-to-regularized-gradient-all-runs',
      'effective-step-size-all-runs',
      'regularized-gradient-all-runs',
      'test-error-all-runs',
      'test-error-second-half-all-runs',
      'training-loss-all-runs',
      'update-over-weights-all-runs',
    ],
  );
  t.is(figures.length, 18);
  const tables = readdirSync(join(folder, 'tables'));
  t.is(tables.length, 3 * 13);
  t.true(['final-error.md', 'final-error.csv', 'final-error.tex'].every((name) => tables.includes(name)));
});

test('a figure stands alone: its colours, title and legend are in it', async (t) => {
  const folder = temporaryFolder(t);
  await writeStudyReport(folder, small());
  const svg = readFileSync(join(folder, 'figures', 'test-error-all-runs.svg'), 'utf8');
  t.regex(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  t.notRegex(svg, /var\(|currentColor|<style|href=/);
  for (const text of ['Test error', 'all runs', 'none', 'GR', 'GR + zero-warmup'])
    t.true(svg.includes(`>${text}</text>`));
  const png = readFileSync(join(folder, 'figures', 'test-error-all-runs.png'));
  const [, width, height] = /^<svg [^>]* width="(\d+)" height="(\d+)"/.exec(svg) ?? t.fail();
  t.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [2 * Number(width), 2 * Number(height)]);
});

test('a report replaces the one before', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'report.html'), 'old');
  const { report } = await writeStudyReport(folder, small());
  t.regex(readFileSync(report, 'utf8'), /^<!doctype html>/);
});

test('a folder that cannot be written is named', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'figures'), 'in the way');
  await t.throwsAsync(writeStudyReport(folder, small()), { instanceOf: UserError, message: /figures: / });
});

test('the page of a whole study: claims, three experiments, what is missing, options, and a way to each', (t) => {
  const { texts, document } = page(wholeStudy({ steps: 80 }));
  t.deepEqual(texts('h2'), [
    "The paper's claims beside this study's numbers",
    'Comparisons',
    'Test error and training loss',
    'Gradient statistics in the early steps',
    'Scale of data and model',
    'What diverged, failed or is missing',
    'Configuration',
  ]);
  t.deepEqual(texts('.contents ol > li > a'), texts('h2'));
  const links = [...document.querySelectorAll('a')].map((link) => link.getAttribute('href') ?? '');
  t.true(links.length >= 6 + 5 + 4);
  for (const link of links) t.is(document.querySelectorAll(`[id="${link.slice(1)}"]`).length, 1, link);
  t.is(texts('.claims > li').length, 11);
  t.true(texts('.verdict').includes('✓ agrees'));
  t.deepEqual(texts('.numbers dd').slice(0, 5), [
    '66of 66',
    '0loss or gradient not finite',
    '0stopped by an error',
    '0not begun or interrupted',
    '30, 1, 2',
  ]);
  t.deepEqual(texts('.warning'), []);
  const titles = texts('.chart h3');
  t.is(titles.filter((title) => title === 'Test error').length, 5);
  t.is(titles.filter((title) => title === 'Update over weights').length, 4);
  t.is(titles.filter((title) => title === 'Error over training images').length, 1);
  t.is(titles.filter((title) => title === 'Error by model').length, 1);
  t.true(document.querySelectorAll('.chart [aria-label="area"]').length > 0);
});

test('the page needs nothing but itself, and text from outside stays text', (t) => {
  const hostile = '</title><script>alert(1)</script><img src="//x" onerror=\'x\'>';
  const { text, document } = page({
    name: hostile,
    about: hostile,
    command: hostile,
    axes: [{ name: hostile, options: ['seed'], values: [hostile], hasNames: true }],
    compare: [],
    cells: [{ ...madeCell({ state: 'failed', message: hostile }), id: hostile, model: hostile }],
  });
  t.is(document.querySelectorAll('script, link, iframe, object, img, [onerror]').length, 0);
  t.notRegex(text, /https?:|@import|url\((?!#)|<script/);
});

test('an unfinished study says what is missing', (t) => {
  const { texts, text } = page(
    studyOf([
      madeCell({ gr: 'none', steps: 80 }),
      madeCell({ gr: 'none', seed: 1, steps: 0, state: 'unfinished' }),
      madeCell({ gr: 'fd', steps: 40, state: 'unfinished' }),
      madeCell({ gr: 'fd', seed: 1, steps: 80, state: 'failed', message: 'out of memory' }),
    ]),
  );
  t.deepEqual(texts('.warning'), [
    'This study is not finished: 2 of 4 runs are missing, listed below. Figures and verdicts are of the runs that there are.',
  ]);
  const missing = texts('tr').filter((row) => /not begun|unfinished|out of memory/.test(row));
  t.true(missing.some((row) => row.includes('not begun')));
  t.true(missing.some((row) => row.includes('out of memory')));
  t.true(texts('td').includes('0 of 2, 1 failed'));
  t.notRegex(text, /NaN|undefined|Infinity/);
});

test('a study whose runs all diverged makes a page', (t) => {
  const cells = ['none', 'fd'].flatMap((gr) =>
    [0, 1].map((seed) =>
      madeCell({
        gr: gr === 'fd' ? 'fd' : 'none',
        seed,
        steps: 30,
        state: 'diverged',
        message: 'step 30: the loss is not finite',
      }),
    ),
  );
  const broken = cells.map((cell) => ({
    ...cell,
    metrics: cell.metrics.map((line) =>
      line.step > 20 ? { ...line, loss: null, metrics: { top1: null }, grad_norm: null } : line,
    ),
  }));
  const { texts, text } = page(studyOf(broken));
  t.deepEqual(texts('.verdict'), ['? cannot tell']);
  t.regex(
    texts('.warning')[0] ?? '',
    /^4 runs of 4 diverged and are in no mean, no line and no verdict: vit-micro/,
  );
  t.deepEqual(texts('.chart'), []);
  t.is(texts('td').filter((cell) => cell === 'step 30: the loss is not finite').length, 4);
  t.notRegex(text, /NaN|undefined|Infinity/);
});

test('a study of which nothing has begun makes a page', (t) => {
  const { texts, text } = page(studyOf([madeCell({ steps: 0, state: 'unfinished' })]));
  t.deepEqual(texts('.chart'), []);
  t.notRegex(text, /NaN|undefined|Infinity/);
  t.notThrows(() => page(studyOf([])));
});

test('a run that diverged is in no mean and no line, and is named', (t) => {
  const good = [0, 1, 2].map((seed) => madeCell({ gr: 'none', seed, steps: 80, error: 30 }));
  const wild = madeCell({ gr: 'none', seed: 3, steps: 80, error: 0, state: 'diverged' });
  const [without, together] = [studyContent(studyOf(good)), studyContent(studyOf([...good, wild]))];
  t.deepEqual(together.tables.errors.rows[0]?.slice(2, 4), [
    without.tables.errors.rows[0]?.[2],
    '3 of 4, 1 diverged',
  ]);
  t.deepEqual(
    together.course[0]?.figures.map(({ chart }) => chart.lines),
    without.course[0]?.figures.map(({ chart }) => chart.lines),
  );
  const { texts } = page(studyOf([...good, wild]));
  t.is(texts('.warning')[0], `1 run of 4 diverged and is in no mean, no line and no verdict: ${wild.id}.`);
});

test("a claim's card is there only where the design has what it compares", (t) => {
  const none = page(studyOf([0, 1, 2].map((seed) => madeCell({ gr: 'none', seed, steps: 80 }))));
  t.deepEqual(none.texts('.claims'), []);
  const [note] = none.texts('#claims .note').slice(-1);
  t.regex(note ?? '', /^None of the claims applies/);
  t.is(note?.split('; ').length, 11);
  const some = page(small());
  const cards = some.texts('.claims > li').length;
  t.true(cards > 0);
  t.is(cards + (some.texts('#claims > .note').at(-1)?.split('; ').length ?? 0), 11);
});

test('one of each is told in the singular, and the command in full', (t) => {
  const study = {
    ...studyOf([madeCell({ steps: 80 })]),
    command: "npm run study -- --config 'my study.json'",
  };
  const { texts } = page(study);
  t.deepEqual(texts('.numbers dt'), ['run done', 'diverged', 'failed', 'missing', 'seed', 'setting']);
  t.is(texts('.numbers dd').at(-1), '11 condition');
  t.deepEqual(texts('.reproduce pre'), ['npm run study -- --config study.json', study.command]);
});

test('a study says which images chose the best error', (t) => {
  const note = (cells: StudyResults['cells']) =>
    page(studyOf(cells))
      .texts('p.about')
      .at(-1)
      ?.replace(/.*standard deviation\. /, '') ?? '';
  const [cell, split] = [madeCell({ steps: 80 }), madeCell({ steps: 80, seed: 1 })];
  const withSplit = { ...split, config: { ...split.config, validationImages: 500 } };
  t.regex(note([cell]), /^Errors are of the test images\. No validation images were held out\. So /);
  t.regex(note([withSplit]), /^The best checkpoint of a run was chosen on validation images/);
  t.regex(note([cell, withSplit]), /No validation images were held out in 1 of 2 runs\. So /);
});
