/** ortgrad's side of the benchmark, in a page. */
import { createSession, wasmThreads } from '../../../src/runtime/ort.web.ts';
import { load as loadWork, type Tensors } from '../load.ts';
import type { Job } from '../protocol.ts';
import type { WebWork } from './page.ts';

export function load(job: Job, tensors: Tensors): Promise<WebWork> {
  return loadWork(job, tensors, { createSession, threads: wasmThreads(job.threads) });
}
