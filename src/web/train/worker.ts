/** The worker behind the page. It does the data, graphs and steps, so that the page itself only draws. */
import digits from '../../../graphs/vit-micro-mnist/spec.json' with { type: 'json' };
import { messageOf } from '../../errors.ts';
import { decodeRun } from '../../storage/run-archive.ts';
import { type NamedFile, untar } from '../../storage/tar.ts';
import { parseSpec } from '../../tasks/parse-spec.ts';
import { fetched } from '../fetched.ts';
import { expectSimd } from '../support.ts';
import { availableBackends, BACKENDS, type BackendName } from './backend.ts';
import type { Reply, Request, RunInfo } from './messages.ts';
import { type PageDataset, unpackDataset } from './packed-dataset.ts';
import { type NamedPieces, newTraining, resumedTraining, type Training } from './training.ts';

const GRAPH = 'vit-micro-mnist';
const IMAGES = 'mnist.pack';

const inbox: Request[] = [];
let wake: () => void = () => {};

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  inbox.push(data);
  wake();
});

function reply(message: Reply): void {
  postMessage(message);
}

/** Lets waiting messages in. None comes in while a step computes. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

/** Resolves with the next message. */
function message(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
  });
}

class Desk {
  readonly #dataset: PageDataset;
  #training: Training | undefined;
  #isRunning = false;

  constructor(dataset: PageDataset) {
    this.#dataset = dataset;
  }

  /** Handles requests, and takes steps in between while a run is going. Never ends. */
  async work(): Promise<void> {
    for (;;) {
      const request = inbox.shift();
      try {
        if (request) await this.#do(request);
        else if (this.#isRunning) await this.#advance();
        else await message();
      } catch (error) {
        this.#pause();
        reply({ kind: 'failed', message: messageOf(error) });
      }
      await breathe();
    }
  }

  async #do(request: Request): Promise<void> {
    if (request.kind === 'begin') {
      reply({ kind: 'busy', text: 'Writing the graphs of the model and of its gradient …' });
      await this.#open(
        await newTraining(request.settings, parseSpec(digits, GRAPH), this.#options(request.backend)),
      );
      return this.#go();
    }
    if (request.kind === 'load') return this.#load(request);
    if (request.kind === 'reset') return this.#close();
    if (request.kind === 'pause') return this.#pause();
    const training = this.#training;
    if (!training) return;
    if (request.kind === 'go') return this.#go();
    if (request.kind === 'save') return send(await training.save(new Date()));
    if (request.kind === 'export') return send(await training.export());
    const start = performance.now();
    const logits = await training.classify(request.pixels);
    reply({ kind: 'answered', logits, milliseconds: performance.now() - start });
  }

  #options(backend: BackendName) {
    return { dataset: this.#dataset, backend: BACKENDS[backend] };
  }

  async #load({ files, backend }: Extract<Request, { kind: 'load' }>): Promise<void> {
    const origin = files.length === 1 ? (files[0]?.name ?? '') : 'the files';
    reply({ kind: 'busy', text: `Reading ${origin} …` });
    this.#pause();
    // The current run is closed only after the other is open, so that a file that does not fit loses nothing.
    const run = await decodeRun(await namedFiles(files), origin);
    await this.#open(await resumedTraining(run, origin, this.#options(backend)));
  }

  async #open(training: Training): Promise<void> {
    await this.#training?.release();
    this.#training = training;
    const { config, plan, lastStep, parameters } = training;
    const { fraction, train } = this.#dataset;
    const run: RunInfo = {
      config,
      stepsPerEpoch: plan.stepsPerEpoch,
      warmupSteps: plan.warmupSteps,
      lastStep,
      parameters,
      step: training.step(),
      metrics: training.metrics(),
      note:
        config.trainFraction === fraction
          ? ''
          : `Until now it was trained on other images; from here on it trains on the ${train.length.toLocaleString('en')} of this page.`,
    };
    reply({ kind: 'opened', run });
  }

  #go(): void {
    const training = this.#training;
    if (!training || training.step() >= training.lastStep) return;
    this.#isRunning = true;
    reply({ kind: 'running' });
  }

  async #advance(): Promise<void> {
    const training = this.#training;
    if (!training) return;
    const lines = await training.advance();
    reply({ kind: 'progress', step: training.step(), lines });
    if (training.step() >= training.lastStep) this.#pause();
  }

  #pause(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    reply({ kind: 'paused', step: this.#training?.step() ?? 0 });
  }

  async #close(): Promise<void> {
    this.#isRunning = false;
    await this.#training?.release();
    this.#training = undefined;
    reply({ kind: 'closed' });
  }
}

function send({ name, pieces }: NamedPieces): void {
  const content = new Blob(pieces.map((piece) => new Uint8Array(piece)));
  reply({ kind: 'file', name, content });
}

/** The files in an archive, or the files that were chosen where there are several. */
async function namedFiles(files: readonly File[]): Promise<NamedFile[]> {
  const read = await Promise.all(
    files.map(async (file): Promise<NamedFile> => {
      const bytes = new Uint8Array(await file.arrayBuffer());
      return { path: file.webkitRelativePath || file.name, bytes };
    }),
  );
  const isPart = ({ path }: NamedFile): boolean => /\.(json|jsonl|safetensors)$/.test(path);
  return read.flatMap((file) =>
    isPart(file) ? [file] : files.length > 1 ? [] : untar(file.bytes, file.path),
  );
}

try {
  expectSimd();
  const dataset = await unpackDataset(await (await fetched(IMAGES)).blob(), IMAGES);
  const { train, test, fraction, classes } = dataset;
  const offer = {
    backends: await availableBackends(),
    train: train.length,
    test: test.length,
    fraction,
    classes,
  };
  reply({ kind: 'ready', offer });
  await new Desk(dataset).work();
} catch (error) {
  reply({ kind: 'failed', message: messageOf(error) });
}
