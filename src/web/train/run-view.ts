/** What a page shows of its run: curves, numbers, how far it is, and which buttons can be pressed. */
import type { MetricsLine } from '../../storage/metrics.ts';
import { formatDuration } from '../../terminal/duration.ts';
import { element, say } from '../dom.ts';
import type { Curves } from './charts.ts';
import type { RunInfo, RunReply, RunRequest } from './messages.ts';

/** The state of the page, which decides what a reader can do next. */
export type Phase = 'loading' | 'idle' | 'busy' | 'running' | 'paused' | 'done';

/** What a page does besides, when something has happened. */
interface Listeners {
  readonly entered: (phase: Phase, isOpen: boolean) => void;
  readonly opened?: (run: RunInfo) => void;
  /** The model is another one than before; at `closed` there is none. */
  readonly changed?: (what: 'learnt' | 'closed' | 'failed') => void;
}

export class RunView {
  phase: Phase = 'loading';
  run: RunInfo | undefined;
  readonly #curves: Curves;
  readonly #listeners: Listeners;
  #step = 0;
  #metrics: MetricsLine[] = [];
  /** The lines of the run before, to compare with. */
  #before: readonly MetricsLine[] = [];
  #isDrawn = true;

  constructor(curves: Curves, listeners: Listeners) {
    this.#curves = curves;
    this.#listeners = listeners;
  }

  enter(next: Phase): void {
    this.phase = next;
    document.body.dataset.phase = next;
    const isOpen = next === 'running' || next === 'paused' || next === 'done';
    const start = element('run', HTMLButtonElement);
    start.textContent = next === 'running' ? 'Pause' : next === 'paused' ? 'Go on' : 'Start';
    start.disabled = next === 'loading' || next === 'busy' || next === 'done';
    element('reset', HTMLButtonElement).disabled = !isOpen;
    for (const fields of document.querySelectorAll<HTMLFieldSetElement>('fieldset'))
      fields.disabled = next !== 'idle';
    this.#listeners.entered(next, isOpen);
  }

  /** What the button that starts a run asks for, where a run is open; undefined where it begins one. */
  get request(): RunRequest | undefined {
    if (this.phase === 'running') return { kind: 'pause' };
    return this.phase === 'paused' ? { kind: 'go' } : undefined;
  }

  receive(reply: RunReply): void {
    if (reply.kind === 'busy') {
      this.enter('busy');
      say(reply.text);
    } else if (reply.kind === 'opened') this.#opened(reply.run);
    else if (reply.kind === 'running') {
      this.enter('running');
      say('');
    } else if (reply.kind === 'progress') {
      this.#step = reply.step;
      this.#metrics.push(...reply.lines);
      this.#listeners.changed?.('learnt');
    } else if (reply.kind === 'paused') {
      this.#step = reply.step;
      this.#rest();
    } else if (reply.kind === 'closed') this.#closed();
    else if (reply.kind === 'file') download(reply.name, reply.content);
    else {
      say(reply.message, true);
      this.#listeners.changed?.('failed');
      if (this.phase === 'busy') this.#rest();
    }
    this.draw();
  }

  /** Redraws the page, at most once a frame. */
  draw(): void {
    if (!this.#isDrawn) return;
    this.#isDrawn = false;
    requestAnimationFrame(() => {
      this.#isDrawn = true;
      this.#curves.draw(this.#metrics, this.#before, this.run?.warmupSteps ?? 0);
      this.#showNumbers();
    });
  }

  #opened(info: RunInfo): void {
    this.run = info;
    this.#step = info.step;
    this.#metrics = [...info.metrics];
    this.#listeners.opened?.(info);
    this.#rest();
    say(info.note);
    this.#listeners.changed?.('learnt');
  }

  #closed(): void {
    this.#before = this.#metrics;
    this.#metrics = [];
    this.run = undefined;
    this.#step = 0;
    this.#listeners.changed?.('closed');
    this.enter('idle');
    say('');
  }

  /** The phase while no step is taken. */
  #rest(): void {
    this.enter(!this.run ? 'idle' : this.#step >= this.run.lastStep ? 'done' : 'paused');
  }

  #showNumbers(): void {
    const train = this.#metrics.findLast(({ split }) => split === 'train');
    const test = this.#metrics.findLast(({ split }) => split === 'test');
    const put = (id: string, value: number | null | undefined, digits: (value: number) => string): void => {
      element(id, HTMLElement).textContent = typeof value === 'number' ? digits(value) : '–';
    };
    const { top1, accuracy = top1 } = test?.metrics ?? {};
    put('accuracy', accuracy, (share) => `${(100 * share).toFixed(1)} %`);
    put('loss', train?.loss, (value) => value.toFixed(3));
    put('norm', train?.grad_norm, (value) => value.toPrecision(3));
    put('rate', train?.lr, (value) => String(Number(value.toPrecision(3))));
    put('strength', train?.lambda, (value) => String(Number(value.toPrecision(3))));
    put('speed', train?.examples_per_second, (value) => value.toFixed(0));
    const last = this.run?.lastStep ?? 0;
    const progress = element('progress', HTMLProgressElement);
    progress.max = Math.max(1, last);
    progress.value = this.#step;
    element('where', HTMLElement).textContent = this.run ? this.#whereabouts(this.run) : '';
  }

  #whereabouts({ lastStep: last, config }: RunInfo): string {
    const done = this.#step;
    const steps = `step ${done.toLocaleString('en')} of ${last.toLocaleString('en')}`;
    if (this.phase === 'done' || done >= last) return `${steps}, all done`;
    const recent = this.#metrics.filter(({ split }) => split === 'train').slice(-20);
    const rates = recent.map((line) => line.examples_per_second ?? 0).sort((a, b) => a - b);
    const rate = rates[Math.floor(rates.length / 2)] ?? 0;
    if (this.phase !== 'running' || rate === 0) return steps;
    return `${steps}, ${formatDuration(((last - done) * config.batchSize) / rate)} left`;
  }
}

function download(name: string, content: Blob): void {
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(content),
    download: name,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Starts a worker. `failed` is called where its script does not load or breaks. */
export function startWorker(script: string, failed: () => void): Worker {
  const worker = new Worker(new URL(script, import.meta.url), { type: 'module' });
  worker.addEventListener('error', ({ message }) => {
    failed();
    say(message || `${script} does not load: it belongs beside the page`, true);
  });
  return worker;
}

/** Files that are dropped anywhere on the page; `over` says whether some are held above it. */
export function onDrop(dropped: (data: DataTransfer) => void, over: (isOver: boolean) => void): void {
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener('dragleave', () => over(false));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    if (event.dataTransfer) dropped(event.dataTransfer);
  });
}
