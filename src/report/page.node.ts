/** A run's report as one HTML page that needs nothing else: no script, no font, no network. */

import { counted } from '../counted.ts';
import type { Confusion } from '../inference/confusion.ts';
import { isBetter } from '../run/best.ts';
import type { DiagnosticsLine } from '../storage/diagnostics-log.node.ts';
import type { MetricsLine } from '../storage/metrics.ts';
import { formatDuration } from '../terminal/duration.ts';
import { type Chart, renderChart, warmupSample } from './chart.node.ts';
import { classesSection } from './classes.ts';
import {
  accuracyChart,
  gradientNormChart,
  learningRateChart,
  lossChart,
  regularizationCharts,
  speedChart,
} from './curves.ts';
import { diagnosticsCharts } from './diagnostics.ts';
import { renderDocument } from './document.ts';
import { type Html, html } from './html.ts';
import { chosenOn, quantile, series } from './series.ts';

/** A test image and the trained network's prediction. */
export interface Sample {
  /** A PNG file, in base64. */
  readonly png: string;
  readonly label: string;
  readonly prediction: string;
  /** The probability of the prediction, 0 to 1. */
  readonly probability: number;
}

export interface ReportInput {
  readonly name: string;
  readonly metrics: readonly MetricsLine[];
  readonly diagnostics?: readonly DiagnosticsLine[];
  /** Any JSON object. The keys of nested objects are shown as `outer.inner`. */
  readonly config: object;
  /** The number of warmup steps, which the charts shade. */
  readonly warmupSteps?: number;
  /** Wall time of the whole run. */
  readonly seconds?: number;
  /** More about the run, shown below its name, such as `{ model: 'vit-ti', device: 'cpu' }`. */
  readonly facts?: Readonly<Record<string, string | number>>;
  readonly samples?: readonly Sample[];
  /** How the best checkpoint confuses the classes of the test images. */
  readonly confusion?: Confusion;
}

/** The page's text, to be saved as an .html file. */
export function renderReport(input: ReportInput): string {
  const {
    name,
    metrics,
    config,
    warmupSteps = 0,
    facts = {},
    samples = [],
    diagnostics = [],
    confusion,
  } = input;
  const body = html`<header>
<h1>${name}</h1>
<p class="facts">${Object.entries(facts)
    .map(([key, value]) => `${key} ${value}`)
    .join(' · ')}</p>
</header>
<main>
${warning(metrics)}
${spikes(metrics)}
${numbers(input)}
<h2>Curves</h2>
${warmupSteps > 0 ? html`<p class="note">${warmupSample} warmup: the first ${warmupSteps.toLocaleString('en')} steps</p>` : ''}
${grid(metricsCharts(metrics), warmupSteps)}
${diagnosticsSection(diagnosticsCharts(diagnostics), warmupSteps)}
${confusion ? classesSection(confusion) : ''}
${samples.length > 0 ? gallery(samples) : ''}
<h2>Configuration</h2>
<table>${flatten(config).map(([key, value]) => html`<tr><th scope="row">${key}</th><td>${value}</td></tr>`)}</table>
</main>`;
  return renderDocument(`${name}: training report`, body);
}

function numbers({ metrics, seconds }: ReportInput): Html {
  const { split: chooser, best } = bestEvaluation(metrics);
  const on = (split: MetricsLine['split']) =>
    metrics.findLast((line) => line.split === split && line.top1 !== null);
  const accuracy = (line: MetricsLine) => `${(100 * (line.top1 ?? 0)).toFixed(2)}\u202f%`;
  const at = (line: MetricsLine) => `at step ${line.step.toLocaleString('en')}`;
  const final = on('test');
  const testOfBest = on('test_best');
  const last = metrics.at(-1);
  const speed = quantile(
    series(metrics, 'train', (line) => line.images_per_second),
    0.5,
  );
  return html`<dl class="numbers">
${final ? number('final test accuracy', accuracy(final), at(final)) : ''}
${best ? number(`best ${chooser} accuracy`, accuracy(best), at(best)) : ''}
${testOfBest ? number('test accuracy of that best', accuracy(testOfBest), best ? at(best) : '') : ''}
${last ? number('steps', last.step.toLocaleString('en'), counted(Number(last.epoch.toFixed(2)), 'epoch')) : ''}
${seconds === undefined ? '' : number('time', formatDuration(seconds), 'evaluation included')}
${speed === undefined ? '' : number('images/s', Number(speed.toPrecision(3)).toLocaleString('en'), 'in training, median')}
</dl>
${best && chooser === 'test' ? html`<p class="note">The best checkpoint was picked on the test images, so its test accuracy is optimistic; --validation holds out training images to pick it on.</p>` : ''}`;
}

/**
 * The evaluation of the best checkpoint, on the images that the run chose it on: validation images where there are any.
 */
function bestEvaluation(metrics: readonly MetricsLine[]): {
  split: 'validation' | 'test';
  best: MetricsLine | undefined;
} {
  const split = chosenOn(metrics);
  const scores = ({ top1, loss }: MetricsLine) => ({ top1: top1 ?? 0, loss: loss ?? Number.NaN });
  const best = metrics
    .filter((line) => line.split === split && line.top1 !== null)
    .reduce<MetricsLine | undefined>(
      (a, b) => (isBetter(scores(b), a ? scores(a) : null) ? b : a),
      undefined,
    );
  return { split, best };
}

function number(name: string, value: string, remark: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}<small>${remark}</small></dd></div>`;
}

function warning(metrics: readonly MetricsLine[]): Html | '' {
  const broken = metrics.filter(({ split, loss }) => split === 'train' && loss === null);
  const [first] = broken;
  if (!first) return '';
  return html`<p class="warning">Steps whose loss was not a finite number: ${broken.length.toLocaleString('en')}, the first of them ${first.step.toLocaleString('en')}. The curves have gaps there.</p>`;
}

/** A warning of spikes, which diagnostics/spikes.ts defines. */
function spikes(metrics: readonly MetricsLine[]): Html | '' {
  const found = metrics.flatMap(({ step, spike }) => (spike === null ? [] : [{ step, spike }]));
  const [first] = found;
  if (!first) return '';
  const largest = found.reduce((a, b) => (b.spike > a.spike ? b : a));
  return html`<p class="warning">Spikes of the gradient norm: ${found.length.toLocaleString('en')}, the first at step ${first.step.toLocaleString('en')}; the largest, ${Number(largest.spike.toPrecision(2)).toLocaleString('en')} times the running median, at step ${largest.step.toLocaleString('en')}.</p>`;
}

interface Charts {
  readonly large: readonly Chart[];
  readonly rest: readonly Chart[];
}

function metricsCharts(metrics: readonly MetricsLine[]): Charts {
  const rest = [
    gradientNormChart(metrics),
    learningRateChart(metrics),
    ...regularizationCharts(metrics),
    speedChart(metrics),
  ];
  return { large: [lossChart(metrics), accuracyChart(metrics)], rest };
}

function diagnosticsSection(all: readonly Chart[], warmupSteps: number): Html | '' {
  return all.length === 0 ? '' : html`<h2>Diagnostics</h2>${grid({ large: [], rest: all }, warmupSteps)}`;
}

function grid({ large, rest }: Charts, warmupSteps: number): Html {
  // The charts fill their rows: three to a row where that comes out even, else two.
  const thirds = rest.length % 3 === 0;
  const draw = (chart: Chart) => renderChart({ ...chart, warmupSteps });
  const drawThird = (chart: Chart) => renderChart({ ...chart, warmupSteps, size: 'small' });
  return html`<div class="charts">${large.map(draw)}${rest.map(thirds ? drawThird : draw)}</div>`;
}

function gallery(samples: readonly Sample[]): Html {
  const wrong = samples.filter(({ label, prediction }) => label !== prediction).length;
  return html`<h2>Test images</h2>
<p class="note">${samples.length} of the test set, ${wrong} of them misread (✗, dashed frame).</p>
<ul class="samples">${samples.map(figure)}</ul>`;
}

function figure({ png, label, prediction, probability }: Sample): Html {
  const right = label === prediction;
  const truth = right ? '' : html`<small>is ${label}</small>`;
  return html`<li class="${right ? 'right' : 'wrong'}"><img src="data:image/png;base64,${png}" alt="${label}"><p><b>${right ? '✓' : '✗'} ${prediction}</b> ${Math.round(100 * probability)}\u202f%${truth}</p></li>`;
}

/** The rows of a table. The keys of a nested object become `outer.inner`. */
function flatten(config: object, prefix = ''): [string, string][] {
  return Object.entries(config).flatMap(([key, value]: [string, unknown]): [string, string][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? flatten(value, `${prefix}${key}.`)
      : [[prefix + key, typeof value === 'string' ? value : JSON.stringify(value)]],
  );
}
