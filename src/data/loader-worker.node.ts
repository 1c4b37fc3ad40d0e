/** The thread behind loader.ts: opens a split, then answers each request for a batch, in order. */
import { parentPort, workerData } from 'node:worker_threads';
import { counted } from '../counted.ts';
import { UserError } from '../errors.ts';
import { type Failure, failure } from '../thread.node.ts';
import type { Batch } from './batch.ts';
import { type BatchOptions, batchesOf, type Skipped } from './batches.ts';
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
  /** No reply: what the user should know, at any time. */
  | { readonly kind: 'note'; readonly text: string }
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
  const skips = options.source.onBroken === 'skip';
  if (!skips) await split.verify?.();
  const batches = batchesOf(info.fields, split, {
    ...options,
    ...(skips && { skipped: skipNotes(info.name) }),
  });
  post({
    kind: 'opened',
    info,
    length: split.length,
    perEpoch: batches.perEpoch,
    hasValidation: validation !== undefined,
  });
  return batches;
}

/** Tells of broken examples: of the first, and whenever their number has doubled. */
function skipNotes(name: string): Skipped {
  const seen = new Set<number>();
  return ({ message }, index) => {
    if (seen.has(index)) return;
    seen.add(index);
    const many = seen.size;
    if ((many & (many - 1)) !== 0) return;
    const how = options.dropLast ? 'the next one takes its place' : 'it is left out';
    post({
      kind: 'note',
      text: `${name}: ${counted(many, `broken ${options.split} example`)} skipped so far, ${how}: ${message}`,
    });
  };
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
