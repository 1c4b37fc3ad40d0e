/** The thread behind loader.ts: opens a split, then answers each request for a batch, in order. */
import { parentPort, workerData } from 'node:worker_threads';
import { UserError } from '../errors.ts';
import { type Failure, failure } from '../thread.node.ts';
import type { Batch } from './batch.ts';
import { type BatchOptions, batchesOf } from './batches.ts';
import type { DatasetInfo, DatasetSource, SplitName } from './dataset.ts';
import { openDataset } from './open.node.ts';

export interface WorkerOptions extends BatchOptions {
  readonly source: DatasetSource;
  readonly split: SplitName;
}

export type WorkerRequest = { readonly epoch: number; readonly step: number } | 'close';

/** The thread's first reply is `opened`. Then it sends one reply to each request. */
export type WorkerReply =
  | {
      readonly kind: 'opened';
      readonly info: DatasetInfo;
      readonly length: number;
      readonly perEpoch: number;
      readonly hasValidation: boolean;
    }
  | { readonly kind: 'batch'; readonly batch: Batch }
  | Failure;

if (!parentPort) throw new Error('internal: loader-worker.ts is not run as a worker');
const port = parentPort;
const options: WorkerOptions = workerData;
let closed = false;

async function open() {
  const { train, test, validation, ...info } = await openDataset(options.source);
  const split = { train, test, validation }[options.split];
  if (!split) {
    throw new UserError(
      `${info.name}: the dataset has no ${options.split} examples; hold some out of the training examples`,
    );
  }
  await split.verify?.();
  const batches = batchesOf(info.fields, split, options);
  post({
    kind: 'opened',
    info,
    length: split.length,
    perEpoch: batches.perEpoch,
    hasValidation: validation !== undefined,
  });
  return batches;
}

function post(reply: WorkerReply): void {
  const arrays = reply.kind === 'batch' ? [...Object.values(reply.batch.fields), reply.batch.indices] : [];
  port.postMessage(
    reply,
    arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : [])),
  );
}

function fail(error: unknown): void {
  post(failure(error));
}

const opening = open();
// Requests wait for one another, so that replies keep their order and one batch is decoded at a time.
let last: Promise<void> = opening.then(() => {}, fail);
port.on('message', (request: WorkerRequest) => {
  if (request === 'close') {
    closed = true;
    last.finally(() => port.close());
    return;
  }
  last = last.then(async () => {
    if (closed) return;
    try {
      post({ kind: 'batch', batch: await (await opening).batch(request.epoch, request.step) });
    } catch (error) {
      fail(error);
    }
  });
});
