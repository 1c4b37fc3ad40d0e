/** The page that trains. It shows the run and sends requests to its worker. */

import { messageOf } from '../../errors.ts';
import type { MetricsLine } from '../../storage/metrics.ts';
import { formatDuration } from '../../terminal/duration.ts';
import { element, say } from '../dom.ts';
import { type Answers, createAnswers } from './answers.ts';
import { type BackendName, whatIsMissing } from './backend.ts';
import { createCurves } from './charts.ts';
import { facts } from './labels.ts';
import type { Offer, Reply, Request, RunInfo } from './messages.ts';
import { createSettings } from './settings.ts';

const GRAPH = 'vit-micro-mnist';

/** The state of the page, which decides what a reader can do next. */
type Phase = 'loading' | 'idle' | 'busy' | 'running' | 'paused' | 'done';

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
const curves = createCurves(element('charts', HTMLElement));
let phase: Phase = 'loading';
let offer: Offer | undefined;
let answers: Answers | undefined;
let run: RunInfo | undefined;
let step = 0;
let metrics: MetricsLine[] = [];
/** The lines of the run before, to compare with. */
let before: readonly MetricsLine[] = [];
let isDrawn = true;

const settings = createSettings(GRAPH, () => offer?.fraction ?? 1);
const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
const [start, reset, save, exported] = [button('run'), button('reset'), button('save'), button('export')];
const loader = element('load', HTMLInputElement);

function ask(request: Request): void {
  worker.postMessage(request);
}

function backend(): BackendName {
  const { value } = element('backend', HTMLSelectElement);
  return offer?.backends.find(({ name }) => name === value)?.name ?? 'wasm';
}

function enter(next: Phase): void {
  phase = next;
  document.body.dataset.phase = next;
  const isOpen = next === 'running' || next === 'paused' || next === 'done';
  start.textContent = next === 'running' ? 'Pause' : next === 'paused' ? 'Go on' : 'Start';
  start.disabled = next === 'loading' || next === 'busy' || next === 'done';
  reset.disabled = !isOpen;
  save.disabled = exported.disabled = !isOpen;
  loader.disabled = next === 'loading' || next === 'busy';
  element('fields', HTMLFieldSetElement).disabled = next !== 'idle';
}

/** Redraws the page, at most once a frame. */
function draw(): void {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    curves.draw(metrics, before, run?.warmupSteps ?? 0);
    showNumbers();
  });
}

function showNumbers(): void {
  const train = metrics.findLast(({ split }) => split === 'train');
  const test = metrics.findLast(({ split }) => split === 'test');
  const put = (id: string, value: number | null | undefined, digits: (value: number) => string): void => {
    element(id, HTMLElement).textContent = typeof value === 'number' ? digits(value) : '–';
  };
  put('accuracy', test?.metrics.top1, (share) => `${(100 * share).toFixed(1)} %`);
  put('loss', train?.loss, (value) => value.toFixed(3));
  put('norm', train?.grad_norm, (value) => value.toPrecision(3));
  put('rate', train?.lr, (value) => String(Number(value.toPrecision(3))));
  put('strength', train?.lambda, (value) => String(Number(value.toPrecision(3))));
  put('speed', train?.examples_per_second, (value) => value.toFixed(0));
  const last = run?.lastStep ?? 0;
  const progress = element('progress', HTMLProgressElement);
  progress.max = Math.max(1, last);
  progress.value = step;
  element('where', HTMLElement).textContent = run ? whereabouts(step, last) : '';
}

function whereabouts(done: number, last: number): string {
  const steps = `step ${done.toLocaleString('en')} of ${last.toLocaleString('en')}`;
  if (phase === 'done' || done >= last) return `${steps}, all done`;
  const recent = metrics.filter(({ split }) => split === 'train').slice(-20);
  const rates = recent.map((line) => line.examples_per_second ?? 0).sort((a, b) => a - b);
  const rate = rates[Math.floor(rates.length / 2)] ?? 0;
  if (phase !== 'running' || rate === 0 || !run) return steps;
  return `${steps}, ${formatDuration(((last - done) * run.config.batchSize) / rate)} left`;
}

function opened(info: RunInfo): void {
  run = info;
  step = info.step;
  metrics = [...info.metrics];
  settings.show(info.config);
  enter(step >= info.lastStep ? 'done' : 'paused');
  say(info.note);
  answers?.ask();
  draw();
}

function ready(info: Offer): void {
  offer = info;
  const { backends, train, test, classes } = info;
  element('backend', HTMLSelectElement).append(...backends.map(({ name, label }) => new Option(label, name)));
  element('facts', HTMLElement).textContent = facts(
    `${train.toLocaleString('en')} handwritten digits, and is tested on ${test.toLocaleString('en')} others`,
  );
  answers = createAnswers(classes, (pixels) => (run ? ask({ kind: 'classify', pixels }) : answers?.show()));
  enter('idle');
  say('');
}

function download(name: string, content: Blob): void {
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(content),
    download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function failed(message: string): void {
  say(message, true);
  answers?.show();
  answers?.ask();
  if (phase === 'busy') enter(run ? (step >= run.lastStep ? 'done' : 'paused') : 'idle');
}

const ON: { readonly [K in Reply['kind']]: (reply: Extract<Reply, { kind: K }>) => void } = {
  ready: (reply) => ready(reply.offer),
  busy({ text }) {
    enter('busy');
    say(text);
  },
  opened: (reply) => opened(reply.run),
  running() {
    enter('running');
    say('');
  },
  progress(reply) {
    step = reply.step;
    metrics.push(...reply.lines);
    answers?.ask();
    draw();
  },
  paused(reply) {
    step = reply.step;
    enter(run && step >= run.lastStep ? 'done' : 'paused');
    draw();
  },
  closed() {
    before = metrics;
    metrics = [];
    run = undefined;
    step = 0;
    answers?.show();
    enter('idle');
    say('');
    draw();
  },
  file: ({ name, content }) => download(name, content),
  answered: (reply) => answers?.show(reply),
  failed: (reply) => failed(reply.message),
};

function receive<K extends Reply['kind']>(reply: Extract<Reply, { kind: K }> & { readonly kind: K }): void {
  ON[reply.kind](reply);
}

function load(files: readonly File[]): void {
  if (files.length > 0 && !loader.disabled) ask({ kind: 'load', files, backend: backend() });
}

worker.addEventListener('message', ({ data: reply }: MessageEvent<Reply>) => receive(reply));
worker.addEventListener('error', ({ message }) => {
  enter('loading');
  say(message || 'worker.js does not load: it belongs beside index.html', true);
});

element('settings', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  if (phase === 'running') ask({ kind: 'pause' });
  else if (phase === 'paused') ask({ kind: 'go' });
  else {
    try {
      ask({ kind: 'begin', settings: settings.read(), backend: backend() });
    } catch (error) {
      say(messageOf(error), true);
    }
  }
});
reset.addEventListener('click', () => ask({ kind: 'reset' }));
save.addEventListener('click', () => ask({ kind: 'save' }));
exported.addEventListener('click', () => ask({ kind: 'export' }));
loader.addEventListener('change', () => {
  load([...(loader.files ?? [])]);
  loader.value = ''; // or else the browser would not report the same file again
});
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  element('files', HTMLElement).classList.add('over');
});
document.addEventListener('dragleave', () => element('files', HTMLElement).classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  element('files', HTMLElement).classList.remove('over');
  load([...(event.dataTransfer?.files ?? [])]);
});

element('missing', HTMLElement).append(
  ...whatIsMissing().map((textContent) => Object.assign(document.createElement('li'), { textContent })),
);
enter('loading');
say('Loading the digits …');
draw();
