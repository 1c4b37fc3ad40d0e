/**
 * Prepares batches in a worker thread. ONNX Runtime's `run` blocks the thread that calls it, so another thread must
 * prepare the data for the next steps.
 */
import { UserError } from '../errors.ts';
import { expectBoolean, expectNumber, expectOneOf } from '../expect.ts';
import { revive, startModule } from '../thread.node.ts';
import type { Batch } from './batch.ts';
import { type DatasetInfo, SPLITS } from './dataset.ts';
import type { WorkerOptions, WorkerReply, WorkerRequest } from './loader-worker.node.ts';

export interface LoaderOptions extends WorkerOptions {
  /** How many batches are prepared ahead of the one in use; 2 by default. */
  readonly prefetch?: number | undefined;
  /** Told what the user should know: of broken examples that are skipped. */
  readonly note?: ((text: string) => void) | undefined;
}

/** Batches of one split of a dataset. */
export interface Loader {
  readonly info: DatasetInfo;
  /** Examples in the split. */
  readonly length: number;
  readonly batchesPerEpoch: number;
  /** Whether the dataset has a split `validation`. */
  readonly hasValidation: boolean;
  /**
   * The batches of an epoch, from number `fromBatch` on (0 by default). Epochs and batches are counted from 0. The arrays
   * of a batch belong to the caller. Throws UserError for an argument that is not such a number, and for an example
   * that cannot be read.
   */
  batches(from: { readonly epoch: number; readonly fromBatch?: number | undefined }): AsyncIterable<Batch>;
  /** Ends the thread. Batches that it still prepares are given up. */
  close(): Promise<void>;
}

/**
 * Opens one split of a dataset and checks it. Throws a UserError if an option is missing or not valid, if the dataset is
 * broken or does not fit the graph, and if `dropLast` is set and the split has fewer examples than one batch.
 */
export async function openLoader(options: LoaderOptions): Promise<Loader> {
  expectOptions(options);
  const { prefetch = 2, note, ...workerOptions } = options;
  const thread = startThread(workerOptions, note);
  const opened = await thread.next().catch(async (error) => {
    await thread.close();
    throw error;
  });
  if (opened.kind !== 'opened') throw new Error('internal: the loader sent a batch before it was open');
  const { info, length, perEpoch, hasValidation } = opened;
  if (perEpoch === 0) {
    await thread.close();
    throw new UserError(
      `${info.name}: ${length} examples in the ${options.split} split are fewer than one batch of ${options.batchSize}: lower the batch size`,
    );
  }

  async function request(epoch: number, step: number): Promise<Batch> {
    const reply = await thread.next({ epoch, step });
    if (reply.kind !== 'batch') throw new Error('internal: the loader opened twice');
    return reply.batch;
  }

  return {
    info,
    length,
    batchesPerEpoch: perEpoch,
    hasValidation,
    async *batches({ epoch, fromBatch = 0 }) {
      expectNumber('batches: epoch', epoch, { min: 0, isInteger: true });
      expectNumber('batches: fromBatch', fromBatch, { min: 0, isInteger: true });
      const ahead: Promise<Batch>[] = [];
      for (let step = fromBatch; step < perEpoch; step++) {
        while (step + ahead.length < perEpoch && ahead.length <= prefetch) {
          const batch = request(epoch, step + ahead.length);
          // A failure is thrown when the batch is taken. Until then, and after a `break`, nobody awaits the promise.
          batch.catch(() => {});
          ahead.push(batch);
        }
        const batch = ahead.shift();
        const next = await batch;
        // Of a batch that is broken as a whole nothing is left.
        if (next && next.examples > 0) yield next;
      }
    },
    close: thread.close,
  };
}

function expectOptions(options: LoaderOptions): void {
  const { split, batchSize, seed, prefetch = 0, augment, shuffle, dropLast } = options;
  expectOneOf('openLoader: split', split, SPLITS);
  expectNumber('openLoader: batchSize', batchSize, { min: 1, isInteger: true });
  for (const [name, value] of Object.entries({ seed, prefetch })) {
    expectNumber(`openLoader: ${name}`, value, { min: 0, isInteger: true });
  }
  for (const [name, value] of Object.entries({ shuffle, dropLast, augment })) {
    expectBoolean(`openLoader: ${name}`, value);
  }
}

type Success = Exclude<WorkerReply, { kind: 'failed' | 'note' }>;

interface Thread {
  /** The reply to `request`, or the first reply of all. */
  next(request?: WorkerRequest): Promise<Success>;
  close(): Promise<void>;
}

/** A worker that replies in the order of the requests. It keeps the process alive only while a reply is due. */
function startThread(options: WorkerOptions, note: LoaderOptions['note']): Thread {
  const worker = startModule('loader-worker.node', import.meta.url, options);
  const due: { resolve(reply: Success): void; reject(error: Error): void }[] = [];
  let ended: Error | undefined;
  let isClosing = false;

  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      end(new Error('the data loader has ended'));
      resolve();
    });
  });
  worker.on('error', end);
  worker.on('message', (reply: WorkerReply) => {
    if (reply.kind === 'note') {
      note?.(reply.text);
      return;
    }
    const waiting = due.shift();
    if (due.length === 0 && !isClosing) worker.unref();
    if (reply.kind !== 'failed') waiting?.resolve(reply);
    else waiting?.reject(revive(reply));
  });

  function end(error: Error): void {
    ended ??= error;
    for (const { reject } of due.splice(0)) reject(ended);
  }

  return {
    next(request) {
      if (ended) return Promise.reject(ended);
      worker.ref();
      if (request) worker.postMessage(request);
      return new Promise((resolve, reject) => due.push({ resolve, reject }));
    },
    async close() {
      isClosing = true; // so that a late reply does not let the process end before the thread has ended
      if (!ended) {
        worker.ref();
        worker.postMessage('close' satisfies WorkerRequest);
      }
      await exited;
    },
  };
}
