/** A study's report as one HTML page. */
import { renderChart, warmupSample } from '../chart.ts';
import { renderDocument } from '../document.ts';
import { type Html, html } from '../html.ts';
import { type Evidence, type JudgedClaim, RULE, type Verdict } from './claims.ts';
import type { StudyContent } from './content.ts';
import { EARLY, type Figure, type FigureGroup } from './figures.ts';
import { studyStyle } from './style.ts';
import { showInterval, type Table, toHtml } from './table.ts';

export function renderStudy(content: StudyContent): string {
  const { study, facets, claims, tables } = content;
  const body = html`<header>
<h1>${study.name}</h1>
<p class="facts">${facets.common}</p>
</header>
<main>
<p class="about">${study.about}</p>
${numbers(content)}
<p class="command">${study.command}</p>
${unfinished(content)}
<p class="about">How to read this: the first section holds each claim of the paper against these runs; the three experiments after it show the numbers and curves that the verdicts were worked out from. ${facets.variants.map((variant) => html`<b>${variant}</b>. `)}Lines and figures in tables are means over seeds, bands and ± their standard deviation.</p>

<h2>The paper's claims beside this study's numbers</h2>
<p class="note">Zhao, Zhang &amp; Hu, <i>When Will Gradient Regularization Be Harmful?</i>, ICML 2024, arXiv 2406.09723; the authors' numbers are of ViT-Ti, ViT-S and ViT-B after 300 epochs. ${RULE}</p>
<ul class="claims">${claims.map(claimItem)}</ul>

<h2>Experiment 1: with and without learning-rate warmup</h2>
<p class="note">The final error is that of the last evaluation; the best one is chosen by the test images, and too good for that.</p>
${toHtml(tables.errors)}
${groups(content.course)}

<h2>Experiment 2: gradient statistics in the early steps</h2>
<p class="note">Up to ${EARLY} times the warmup. ψ is the adaptive learning rate of an element. Where the axis is logarithmic, mean and standard deviation are those of the logarithms. A spike is a norm far outside its running spread; the sd of log ‖g‖ is that about its running median over 11 steps, in the warmup, of the gradient that the optimizer gets.</p>
${toHtml(tables.stability)}
${groups(content.early)}

<h2>Experiment 3: scale of data and model</h2>
${scale(tables.images, content.images, 'The study has no two numbers of training images that differ in nothing else.')}
${scale(tables.models, content.models, 'The study has no two models that differ in nothing else.')}

<h2>What diverged, failed or is missing</h2>
${tables.missing.rows.length === 0 ? html`<p class="note">Nothing: every run came to its end.</p>` : toHtml(tables.missing)}

<h2>Configuration</h2>
<details open><summary>Options of every run</summary>${toHtml(tables.common)}</details>
<details open><summary>The runs, and where they differ</summary>${toHtml(tables.runs)}</details>
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
${number('runs done', count('done'), `of ${cells.length}`)}
${number('diverged', count('diverged'), 'loss or gradient not finite')}
${number('failed', count('failed'), 'stopped by an error')}
${number('missing', count('unfinished'), 'not begun or interrupted')}
${number('seeds', seeds.length, seeds.join(', '))}
${number('settings', settings.length, `${conditions.length} conditions`)}
</dl>`;
}

function unfinished({ study: { cells } }: StudyContent): Html | '' {
  const missing = cells.filter(({ state }) => state === 'unfinished').length;
  if (missing === 0) return '';
  return html`<p class="warning">This study is not finished: ${missing} of ${cells.length} runs are missing, listed below the experiments. Figures and verdicts are of the runs that there are.</p>`;
}

const MARKS: Readonly<Record<Verdict, string>> = { agrees: '✓', disagrees: '✗', 'cannot tell': '?' };

function claimItem({ claim, difference, authors, evidence, verdict }: JudgedClaim): Html {
  return html`<li>
<span class="verdict ${className(verdict)}">${MARKS[verdict]} ${verdict}</span>
<h3>${claim}</h3>
<p><span class="label">Authors:</span> ${authors}</p>
<p><span class="label">Here:</span> ${difference}</p>
${evidence.length === 0 ? html`<p>The study has no runs that could tell.</p>` : html`<ul>${evidence.map(evidenceItem)}</ul>`}
</li>
`;
}

function evidenceItem({ where, interval, verdict }: Evidence): Html {
  const value = interval === null ? 'no pair of finished runs' : showInterval(interval);
  const pairs = interval === null ? '' : html` <span class="label">n = ${interval.n}</span>`;
  return html`<li><span class="${className(verdict)}" title="${verdict}">${MARKS[verdict]}</span><span><b>${value}</b>${pairs}</span><small>${where}</small></li>`;
}

function className(verdict: Verdict): string {
  return verdict.replace(' ', '-');
}

function groups(all: readonly FigureGroup[]): readonly Html[] {
  return all.map(
    ({ title, figures }) => html`<h3 class="setting">${title}${shade(figures)}</h3>${grid(figures)}`,
  );
}

function shade(figures: readonly Figure[]): Html | '' {
  const steps = figures[0]?.chart.warmupSteps ?? 0;
  return steps > 0
    ? html` <small class="note">${warmupSample} warmup: the first ${steps.toLocaleString('en')} steps</small>`
    : '';
}

function grid(figures: readonly Figure[]): Html {
  const size = figures.length % 3 === 0 ? { size: 'small' as const } : {};
  return html`<div class="charts">${figures.map(({ chart }) => renderChart({ ...chart, ...size }))}</div>`;
}

function scale(table: Table, figures: readonly Figure[], nothing: string): Html {
  if (table.rows.length === 0) return html`<p class="note">${nothing}</p>`;
  return html`${toHtml(table)}${groups(figures.map((figure) => ({ title: figure.subtitle, figures: [figure] })))}`;
}
