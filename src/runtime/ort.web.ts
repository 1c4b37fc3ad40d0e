/** onnxruntime-web: the only importer of it. Same functions as ort.node.ts, chosen by package.json's "imports". */
import * as ort from 'onnxruntime-web/wasm';
import { UserError } from '../errors.ts';
import { fromOrt, toOrtFeeds } from './ort-tensors.ts';
import type { Device, Session, SessionOptions } from './session.ts';

/**
 * Loads an ONNX model from its bytes or its address, into wasm. Throws UserError when the device is not to be had
 * in a browser.
 */
export async function createSession(model: Uint8Array | string, options: SessionOptions): Promise<Session> {
  await expectDevice(options.device);
  if (options.threads > 0) ort.env.wasm.numThreads = options.threads;
  const settings: ort.InferenceSession.SessionOptions = {
    executionProviders: ['wasm'],
    graphOptimizationLevel: options.optimize ? 'all' : 'disabled', // as in ort.node.ts
    enableMemPattern: false,
    enableCpuMemArena: options.keepsMemory ?? true,
    logSeverityLevel: 3,
  };
  const session =
    typeof model === 'string'
      ? await ort.InferenceSession.create(model, settings)
      : await ort.InferenceSession.create(model, settings);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, fetches = session.outputNames) {
      const results = await session.run(toOrtFeeds(ort.Tensor, feeds), [...fetches]);
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(name, value)]));
    },
    release: () => session.release(),
  };
}

/** How many threads wasm has, of those wanted: one where memory cannot be shared. */
export function wasmThreads(wanted: number): number {
  return typeof SharedArrayBuffer === 'undefined' ? 1 : Math.max(1, wanted);
}

/** Throws UserError unless sessions can be made on the device. */
export async function expectDevice(device: Device): Promise<void> {
  if (device !== 'cpu')
    throw new UserError(`device ${device}: expected cpu (wasm) in a browser, got ${device}`);
}
