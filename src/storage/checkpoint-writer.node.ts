/**
 * Saves checkpoints in a worker thread. ONNX Runtime blocks the main thread during a step, so hashing and writing on
 * that thread would delay the next step. The tensors are transferred, not copied.
 */
import { revive, startModule } from '../thread.node.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { SaveReply, SaveRequest } from './checkpoint-worker.node.ts';

export interface CheckpointWriter {
  /** As `saveCheckpoint`, but the arrays of the checkpoint are transferred to the thread, and are empty afterwards. */
  save(run: string, checkpoint: Checkpoint, options: Pick<SaveRequest, 'keep'>): Promise<void>;
  /** Ends the thread. A save that is not finished is given up. */
  close(): Promise<void>;
}

export function openCheckpointWriter(): CheckpointWriter {
  const worker = startModule('checkpoint-worker.node', import.meta.url);
  const due: { resolve(): void; reject(error: Error): void }[] = [];
  let ended: Error | undefined;
  function end(error: Error): void {
    ended ??= error;
    for (const { reject } of due.splice(0)) reject(ended);
  }
  worker.unref();
  worker.on('error', end);
  worker.once('exit', () => end(new Error('the thread that saves checkpoints has ended')));
  worker.on('message', (reply: SaveReply) => {
    const waiting = due.shift();
    if (due.length === 0) worker.unref();
    if (reply.kind === 'saved') waiting?.resolve();
    else waiting?.reject(revive(reply));
  });
  return {
    save(run, checkpoint, { keep }) {
      if (ended) return Promise.reject(ended);
      worker.ref();
      const request: SaveRequest = { run, checkpoint, keep };
      worker.postMessage(request, buffersOf(checkpoint));
      return new Promise((resolve, reject) => due.push({ resolve, reject }));
    },
    async close() {
      await worker.terminate();
    },
  };
}

/** The buffers of all tensors, each once. */
function buffersOf({ parameters, optimizer }: Checkpoint): ArrayBuffer[] {
  const tensors = [parameters, ...Object.values(optimizer.slots)].flat();
  const buffers = new Set(tensors.map(({ data }) => data.buffer));
  return [...buffers].filter((buffer) => buffer instanceof ArrayBuffer);
}
