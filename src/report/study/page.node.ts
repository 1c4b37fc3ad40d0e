/** A study's report as one HTML page. */
import { counted, inNumber } from '../../counted.ts';
import type { CellResult } from '../../study/results.node.ts';
import { renderChart, warmupSample } from '../chart.node.ts';
import { renderDocument } from '../document.ts';
import { type Html, html } from '../html.ts';
import { type Evidence, type JudgedClaim, ruleText, type Verdict } from './claims.ts';
import { comparisonSection } from './comparison-section.node.ts';
import type { StudyContent } from './content.node.ts';
import type { Facets } from './facets.ts';
import { EARLY, type Figure, type FigureGroup } from './figures.ts';
import { plural } from './judged.ts';
import type { Section } from './section.ts';
import { FEWEST_PAIRS } from './statistics.ts';
import { studyStyle } from './style.ts';
import { showInterval, toHtml } from './table.ts';
import { digitsOf } from './tables.ts';

export function renderStudy(content: StudyContent): string {
  const { study, facets } = content;
  const hasClaims = content.claims.length > 0;
  const sections = [
    ...(hasClaims ? [claimsSection(content)] : []),
    ...comparisonSection(content),
    errorSection(content),
    stabilitySection(content),
    ...scaleSection(content),
    ...(hasClaims ? [] : [claimsSection(content)]),
    missingSection(content),
    configurationSection(content),
  ];
  const body = html`<header>
<h1>${study.name}</h1>
<p class="facts">${facets.common}</p>
</header>
<main>
<p class="about">${study.about}</p>
${numbers(content)}
${warnings(study.cells)}
${contents(sections)}
${reproduce(content)}
<p class="about">How to read this: a condition is what the lines of a figure compare, a setting is all else that the design varies. Lines, and numbers in tables, are means over seeds; bands and ± are their standard deviation. ${sourceNote(study.cells, facets)}</p>
${facets.meanings.length > 0 && html`<ul class="meanings">${facets.meanings.map(({ name, text }) => html`<li><b>${name}</b>: ${text}</li>`)}</ul>`}
${sections.map(
  ({ id, title, body }) => html`<section id="${id}">
<h2>${title}</h2>
${body}
</section>
`,
)}
</main>`;
  return renderDocument(`${study.name}: study report`, body, studyStyle);
}

function numbers({ study: { cells }, facets }: StudyContent): Html {
  const count = (state: string) => cells.filter((cell) => cell.state === state).length;
  const seeds = [...new Set(cells.map(({ config }) => config.seed))].sort((a, b) => a - b);
  const number = (name: string, value: string | number, remark: string) =>
    html`<div><dt>${name}</dt><dd>${value}<small>${remark}</small></dd></div>`;
  const { settings, conditions } = facets;
  return html`<dl class="numbers">
${number(`${inNumber(count('done'), 'run')} done`, count('done'), `of ${cells.length}`)}
${number('diverged', count('diverged'), 'loss or gradient not finite')}
${number('failed', count('failed'), 'stopped by an error')}
${number('missing', count('unfinished'), 'not begun or interrupted')}
${number(inNumber(seeds.length, 'seed'), seeds.length, seeds.join(', '))}
${number(inNumber(settings.length, 'setting'), settings.length, counted(conditions.length, 'condition'))}
</dl>`;
}

function warnings(cells: readonly CellResult[]): Html {
  const named = (state: CellResult['state']) =>
    cells.filter((cell) => cell.state === state).map(({ id }) => id);
  const [missing, diverged] = [named('unfinished'), named('diverged')];
  const of = (part: readonly string[]) =>
    `${part.length} of ${counted(cells.length, 'run')} ${part.length === 1 ? 'is' : 'are'}`;
  return html`${
    missing.length > 0 &&
    html`<p class="warning">This study is not finished: ${of(missing)} missing, <a href="#missing">listed below</a>. Figures and verdicts are of the runs that there are.</p>`
  }
${
  diverged.length > 0 &&
  html`<p class="warning">${counted(diverged.length, 'run')} of ${cells.length} diverged and ${diverged.length === 1 ? 'is' : 'are'} in no mean, no line and no verdict: ${diverged.slice(0, MOST_NAMES).join(', ')}${diverged.length > MOST_NAMES && html` and ${diverged.length - MOST_NAMES} more, <a href="#missing">listed below</a>`}.</p>`
}`;
}

/** The most names of runs in a sentence. */
const MOST_NAMES = 8;

function contents(sections: readonly Section[]): Html {
  const item = ({ id, title, parts = [] }: Section) => html`<li><a href="#${id}">${title}</a>${
    parts.length > 1 &&
    html`<ul>${parts.map((part, i) => html`<li><a href="#${partId(id, i)}">${part}</a></li>`)}</ul>`
  }</li>
`;
  return html`<nav class="contents" aria-label="Contents"><ol>
${sections.map(item)}</ol></nav>`;
}

function partId(section: string, index: number): string {
  return `${section}-${index + 1}`;
}

function reproduce({ study: { command } }: StudyContent): Html {
  return html`<div class="reproduce">
<p>Reproduce, with the <code>study.json</code> beside this page:</p>
<pre>npm run study -- --config study.json</pre>
${
  command !== '' &&
  html`<p>The study was begun by:</p>
<pre>${command}</pre>`
}
</div>`;
}

/** A sentence that says what the judged numbers are of, and what chose the best checkpoint. */
function sourceNote(cells: readonly CellResult[], { judged, noun }: Facets): string {
  const holdsOut = ({ config }: CellResult) => {
    const options = new Map<string, unknown>(Object.entries(config));
    return ['validation', 'validationImages'].some((key) => Number(options.get(key) ?? 0) > 0);
  };
  const averaged = cells.some(({ config }) => config.ema > 0)
    ? ' A run that keeps an average of its weights is judged by the average.'
    : '';
  const count = cells.filter(holdsOut).length;
  if (count === cells.length && count > 0)
    return `The best checkpoint of a run was chosen on validation ${noun}s, which were held out of the training ${noun}s; ${judged.label}s are of the test ${noun}s, which chose nothing.${averaged}`;
  const some = count > 0 ? ` in ${cells.length - count} of ${counted(cells.length, 'run')}` : '';
  return `${plural(judged)} are of the test ${noun}s. No validation ${noun}s were held out${some}. So the best ${judged.label} was chosen on the test ${noun}s themselves, which makes it too good. The final ${judged.label} is that of the last evaluation, and was not chosen.${averaged}`;
}

function claimsSection({ claims, otherClaims, facets }: StudyContent): Section {
  const digits = Math.max(2, digitsOf(facets));
  const others = otherClaims.map(({ short }) => short).join('; ');
  return {
    id: 'claims',
    title: "The paper's claims beside this study's numbers",
    body: html`<p class="note">Zhao, Zhang &amp; Hu, <i>When Will Gradient Regularization Be Harmful?</i>, ICML 2024, arXiv 2406.09723${
      claims.length > 0 &&
      html`; the authors' numbers are of ViT-Ti, ViT-S and ViT-B after 300 epochs. ${ruleText(facets.judged)}`
    }</p>
${claims.length > 0 && html`<ul class="claims">${claims.map((claim) => claimItem(claim, digits))}</ul>`}
${others !== '' && html`<p class="note">${claims.length === 0 ? 'None of the claims applies' : 'Claims that do not apply'}, as this design does not compare what they compare: ${others}.</p>`}`,
  };
}

const MARKS: Readonly<Record<Verdict, string>> = { agrees: '✓', disagrees: '✗', 'cannot tell': '?' };

function claimItem({ claim, difference, authors, evidence, verdict }: JudgedClaim, digits: number): Html {
  const tests = evidence.filter(({ corrected }) => corrected !== null).length;
  return html`<li>
<span class="verdict ${className(verdict)}">${MARKS[verdict]} ${verdict}</span>
<h3>${claim}</h3>
<p><span class="label">Authors:</span> ${authors}</p>
<p><span class="label">Here:</span> ${difference}${tests > 1 && `; corrected for ${counted(tests, 'test')}`}</p>
<ul>${evidence.map((each) => evidenceItem(each, digits))}</ul>
</li>
`;
}

function evidenceItem({ where, interval, corrected, verdict }: Evidence, digits: number): Html {
  return html`<li><span class="${className(verdict)}" title="${verdict}">${MARKS[verdict]}</span><span>${
    interval === null
      ? html`<b>no pair of runs has this number</b>`
      : html`<b>${showInterval(corrected ?? { ...interval, low: null, high: null }, digits)}</b> <span class="label">n = ${interval.n}${
          corrected === null
            ? `, too few: a verdict takes ${FEWEST_PAIRS} seeds`
            : `, ${Number((100 * corrected.level).toPrecision(4))}\u202f% interval`
        }</span>`
  }</span><small>${where}</small></li>`;
}

function className(verdict: Verdict): string {
  return verdict.replace(' ', '-');
}

function errorSection({ tables, course, facets }: StudyContent): Section {
  return {
    id: 'errors',
    title: `Test ${facets.judged.label} and training loss`,
    body: html`${toHtml(tables.errors)}
${groups('errors', course)}`,
    parts: course.map(({ title }) => title),
  };
}

function stabilitySection({ tables, early }: StudyContent): Section {
  return {
    id: 'stability',
    title: 'Gradient statistics in the early steps',
    body: html`<p class="note">Figures go up to ${EARLY} times the warmup. ψ is the adaptive learning rate of an element. Where the axis is logarithmic, mean and standard deviation are those of the logarithms. A spike is a norm far outside its running spread. The sd of log ‖g‖ is taken in the warmup, about the running median of log ‖g‖ over 11 steps; g is the gradient that the optimizer gets, before clipping. ν is Adam's second moment v̂, and lr·ψ the step that a gradient of 1 would make.</p>
${toHtml(tables.stability)}
${[tables.mechanism, tables.mechanismRatios].map((table) => table.rows.length > 0 && toHtml(table))}
${tables.mechanismRuns.rows.length > 0 && html`<details><summary>${tables.mechanismRuns.title}</summary>${toHtml(tables.mechanismRuns)}</details>`}
${groups('stability', early)}`,
    parts: early.map(({ title }) => title),
  };
}

/** The section on scale; none where the design compares no two scales and has no axis of numbers. */
function scaleSection({ tables, sizes, models, axes }: StudyContent): readonly Section[] {
  const parts = [
    { table: tables.sizes, figures: sizes },
    { table: tables.models, figures: models },
  ].filter(({ table }) => table.rows.length > 0);
  if (parts.length === 0 && axes.length === 0) return [];
  const body = parts.map(
    ({ table, figures }) =>
      html`${toHtml(table)}${figures.map((figure) => html`<h3 class="setting">${figure.subtitle}</h3>${grid([figure])}`)}`,
  );
  const overAxes = axes.map(
    (figure) => html`<div><h3 class="setting">${figure.subtitle}</h3>${renderChart(figure.chart)}</div>`,
  );
  return [
    {
      id: 'scale',
      title: parts.length === 0 ? 'Over the axes of numbers' : 'Scale of data and model',
      body: html`${body}${axes.length > 0 && html`<div class="charts axes">${overAxes}</div>`}`,
    },
  ];
}

function missingSection({ tables }: StudyContent): Section {
  return {
    id: 'missing',
    title: 'What diverged, failed or is missing',
    body:
      tables.missing.rows.length === 0
        ? html`<p class="note">Nothing: every run came to its end.</p>`
        : toHtml(tables.missing),
  };
}

function configurationSection({ tables }: StudyContent): Section {
  return {
    id: 'configuration',
    title: 'Configuration',
    body: html`<details open><summary>Options of every run</summary>${toHtml(tables.common)}</details>
<details open><summary>The runs, and where they differ</summary>${toHtml(tables.runs)}</details>`,
  };
}

function groups(section: string, all: readonly FigureGroup[]): readonly Html[] {
  return all.map(
    ({ title, figures }, i) =>
      html`<h3 class="setting" id="${partId(section, i)}">${title}${shade(figures)}</h3>${grid(figures)}`,
  );
}

function shade(figures: readonly Figure[]): Html | '' {
  const steps = figures[0]?.chart.warmupSteps ?? 0;
  return steps > 0
    ? html` <small class="note">${warmupSample} warmup: the first ${counted(steps, 'step')}</small>`
    : '';
}

function grid(figures: readonly Figure[]): Html {
  const size = figures.length % 3 === 0 ? { size: 'small' as const } : {};
  return html`<div class="charts">${figures.map(({ chart }) => renderChart({ ...chart, ...size }))}</div>`;
}
