/** The thread behind checkpoint-writer.ts: saves what it is sent, one checkpoint after the other. */
import { parentPort } from 'node:worker_threads';
import { type Failure, failure } from '../thread.node.ts';
import type { Checkpoint } from './checkpoint.ts';
import { saveCheckpoint } from './checkpoint-folder.node.ts';

export interface SaveRequest {
  readonly run: string;
  readonly checkpoint: Checkpoint;
  readonly keep: number;
}

/** One to each request, in order. */
export type SaveReply = Failure | { readonly kind: 'saved' };

if (!parentPort) throw new Error('internal: checkpoint-worker.ts is not run as a worker');
const port = parentPort;
let last: Promise<void> = Promise.resolve();
port.on('message', ({ run, checkpoint, keep }: SaveRequest) => {
  last = last
    .then(() => saveCheckpoint(run, checkpoint, { keep }))
    .then((): SaveReply => ({ kind: 'saved' }), failure)
    .then((reply) => port.postMessage(reply));
});
