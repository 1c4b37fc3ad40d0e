/** A run's report as one HTML page that needs nothing else: no script, no font, no network. */

import { counted } from '../counted.ts';
import type { Confusion } from '../inference/confusion.ts';
import {
  judgeOf,
  labelWithUnit,
  type MetricInfo,
  type MetricInfos,
  metricText,
  metricValue,
  namedMetrics,
  OLD_METRICS,
} from '../metrics/info.ts';
import { asBest, isBetter } from '../run/best.ts';
import type { DiagnosticsLine } from '../storage/diagnostics-log.node.ts';
import type { MetricsLine } from '../storage/metrics.ts';
import { formatDuration } from '../terminal/duration.ts';
import { type Chart, renderChart, warmupSample } from './chart.node.ts';
import { classesSection } from './classes.ts';
import {
  gradientNormChart,
  learningRateChart,
  lossChart,
  metricCharts,
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
  /** How they are shown; by default those of a classifier. */
  readonly infos?: MetricInfos;
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
    infos = OLD_METRICS,
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
${numbers(input, infos)}
<h2>Curves</h2>
${warmupSteps > 0 ? html`<p class="note">${warmupSample} warmup: the first ${warmupSteps.toLocaleString('en')} steps</p>` : ''}
${grid(metricsCharts(metrics, infos), warmupSteps)}
${diagnosticsSection(diagnosticsCharts(diagnostics), warmupSteps)}
${confusion ? classesSection(confusion) : ''}
${samples.length > 0 ? gallery(samples) : ''}
<h2>Configuration</h2>
<table>${flatten(config).map(([key, value]) => html`<tr><th scope="row">${key}</th><td>${value}</td></tr>`)}</table>
</main>`;
  return renderDocument(`${name}: training report`, body);
}

function numbers({ metrics, seconds }: ReportInput, infos: MetricInfos): Html {
  const judge = judgeOf(infos);
  const { split: chooser, best } = bestEvaluation(metrics, judge);
  const on = (split: MetricsLine['split'], info: MetricInfo) =>
    metrics.findLast((line) => line.split === split && metricValue(info, line) !== null);
  const shown = (info: MetricInfo, line: MetricsLine) =>
    metricText(info, metricValue(info, line) ?? Number.NaN, 2, '\u202f%');
  // A share has its unit beside it.
  const named = (info: MetricInfo) => (info.isShare ? info.label : labelWithUnit(info));
  const at = (line: MetricsLine) => `at step ${line.step.toLocaleString('en')}`;
  const finals = (split: MetricsLine['split'], before: string) =>
    namedMetrics(infos)
      .concat(judge)
      .filter((info, i, all) => !info.isMinor && all.indexOf(info) === i)
      .flatMap((info) => {
        const line = on(split, info);
        return line ? [number(`${before} ${named(info)}`, shown(info, line), at(line))] : [];
      });
  const testOfBest = on('test_best', judge);
  const last = metrics.at(-1);
  const speed = quantile(
    series(metrics, 'train', (line) => line.examples_per_second),
    0.5,
  );
  return html`<dl class="numbers">
${finals('test', 'final test')}
${best ? number(`best ${chooser} ${named(judge)}`, shown(judge, best), at(best)) : ''}
${testOfBest ? number(`test ${named(judge)} of that best`, shown(judge, testOfBest), best ? at(best) : '') : ''}
${finals('test_ema', 'averaged weights: test')}
${last ? number('steps', last.step.toLocaleString('en'), counted(Number(last.epoch.toFixed(2)), 'epoch')) : ''}
${seconds === undefined ? '' : number('time', formatDuration(seconds), 'evaluation included')}
${speed === undefined ? '' : number('examples/s', Number(speed.toPrecision(3)).toLocaleString('en'), 'in training, median')}
</dl>
${best && chooser === 'test' ? html`<p class="note">The best checkpoint was picked on the test set, so its test ${judge.label} is optimistic; --validation holds out training examples to pick it on.</p>` : ''}`;
}

/** The evaluation of the best checkpoint, on what the run chose it on: the validation set where there is one. */
function bestEvaluation(
  metrics: readonly MetricsLine[],
  judge: MetricInfo,
): {
  split: 'validation' | 'test';
  best: MetricsLine | undefined;
} {
  const split = chosenOn(metrics);
  const scores = (line: MetricsLine) => asBest(judge, line, { step: line.step, split });
  const best = metrics
    .filter((line) => line.split === split && metricValue(judge, line) !== null)
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

function metricsCharts(metrics: readonly MetricsLine[], infos: MetricInfos): Charts {
  // Two of these fill a row. One that is left over goes to the rest.
  const measured = [lossChart(metrics, infos), ...metricCharts(metrics, infos)];
  const pairs = measured.length - (measured.length % 2);
  const rest = [
    ...measured.slice(pairs),
    gradientNormChart(metrics),
    learningRateChart(metrics),
    ...regularizationCharts(metrics),
    speedChart(metrics),
  ];
  return { large: measured.slice(0, pairs), rest };
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
