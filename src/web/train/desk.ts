/** What a worker does for its page: it answers requests one after the other, and takes steps of a run in between. */
import { messageOf } from '../../errors.ts';
import type { RunInfo, RunReply, RunRequest } from './messages.ts';
import type { NamedPieces, Training } from './page-run.ts';

/** Lets waiting messages in. None comes in while a step computes. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

/** Tells the page something. */
export function reply<R extends { readonly kind: string } = RunReply>(message: R): void {
  postMessage(message);
}

/** Sends the page a file to save. */
export function send({ name, pieces }: NamedPieces): void {
  const content = new Blob(pieces.map((piece) => new Uint8Array(piece)));
  reply({ kind: 'file', name, content });
}

/** `Q`: the requests that it answers besides those of every run. */
export class Desk<Q extends { readonly kind: string }, T extends Training> {
  readonly #inbox: (Q | RunRequest)[] = [];
  #wake: () => void = () => {};
  #training: T | undefined;
  #isRunning = false;

  readonly #inWords: (message: string) => string;

  /** `inWords` puts a message of an error into the words of the page. */
  constructor(inWords: (message: string) => string = (message) => message) {
    this.#inWords = inWords;
    addEventListener('message', ({ data }: MessageEvent<Q | RunRequest>) => {
      this.#inbox.push(data);
      this.#wake();
    });
  }

  get training(): T | undefined {
    return this.#training;
  }

  /** Handles requests, and takes steps in between while a run is going. What `answer` throws is told. Never ends. */
  async work(answer: (request: Q) => Promise<void>): Promise<void> {
    for (;;) {
      const request = this.#inbox.shift();
      try {
        if (request) await this.#do(request, answer);
        else if (this.#isRunning) await this.#advance();
        else await this.#message();
      } catch (error) {
        this.pause();
        reply({ kind: 'failed', message: this.#inWords(messageOf(error)) });
      }
      await breathe();
    }
  }

  /** Puts a run in the place of the one that there is. `note` is a sentence for the reader. */
  async open(training: T, note = ''): Promise<void> {
    await this.#training?.release();
    this.#training = training;
    const { config, plan, lastStep, parameters } = training;
    const run: RunInfo = {
      ...{ config, lastStep, parameters, note },
      ...{ stepsPerEpoch: plan.stepsPerEpoch, warmupSteps: plan.warmupSteps },
      ...{ step: training.step(), metrics: training.metrics() },
    };
    reply({ kind: 'opened', run });
  }

  go(): void {
    const training = this.#training;
    if (!training || training.step() >= training.lastStep) return;
    this.#isRunning = true;
    reply({ kind: 'running' });
  }

  pause(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    reply({ kind: 'paused', step: this.#training?.step() ?? 0 });
  }

  /** Resolves with the next message. */
  #message(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #do(request: Q | RunRequest, answer: (request: Q) => Promise<void>): Promise<void> {
    if (!isOfRun(request)) return answer(request);
    if (request.kind === 'go') return this.go();
    if (request.kind === 'pause') return this.pause();
    return this.#close();
  }

  async #advance(): Promise<void> {
    const training = this.#training;
    if (!training) return;
    const lines = await training.advance();
    reply({ kind: 'progress', step: training.step(), lines });
    if (training.step() >= training.lastStep) this.pause();
  }

  async #close(): Promise<void> {
    this.#isRunning = false;
    await this.#training?.release();
    this.#training = undefined;
    reply({ kind: 'closed' });
  }
}

function isOfRun(request: { readonly kind: string }): request is RunRequest {
  return ['go', 'pause', 'reset'].includes(request.kind);
}
