/**
 * onnxruntime-web: the only importer of it, with the functions of ort.node.ts; "imports" in package.json chooses one.
 * The build with WebGPU is twice as large, and is loaded when a session first asks for that device.
 */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common';
import * as wasm from 'onnxruntime-web/wasm';
import { UserError } from '../errors.ts';
import { fromOrt, toOrtFeeds } from './ort-tensors.ts';
import { onWebGpuAlone, residentSession } from './resident.ts';
import {
  type Device,
  expectSessionOptions,
  type NextState,
  type ResidentSession,
  type Session,
  type SessionOptions,
  type Tensor,
} from './session.ts';

/** The build of ONNX Runtime for a device. Throws UserError where this browser does not offer the device. */
async function runtimeOf(options: SessionOptions): Promise<typeof wasm> {
  expectSessionOptions(options);
  const { device, threads } = options;
  await expectDevice(device);
  const ort = device === 'webgpu' ? await import('onnxruntime-web/webgpu') : wasm;
  if (threads > 0) ort.env.wasm.numThreads = threads;
  return ort;
}

/**
 * Loads an ONNX model from its bytes or its address. Throws UserError where an option is none or this browser does not
 * offer the device.
 */
export async function createSession(model: Uint8Array | string, options: SessionOptions): Promise<Session> {
  const ort = await runtimeOf(options);
  const session =
    typeof model === 'string'
      ? await ort.InferenceSession.create(model, settings(options))
      : await ort.InferenceSession.create(model, settings(options));
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

/**
 * Loads a graph whose outputs named in `next` stay on the device. On WebGPU all of it must run there: a node that
 * would not is an error.
 */
export async function createResidentSession(
  model: Uint8Array,
  options: SessionOptions,
  next: NextState,
): Promise<ResidentSession> {
  const ort = await runtimeOf(options);
  const session = await ort.InferenceSession.create(model, {
    ...settings(options),
    ...(options.device === 'webgpu' ? onWebGpuAlone(Object.values(next)) : {}),
  });
  return residentSession({
    session,
    Constructor: ort.Tensor,
    next,
    read,
    release: () => session.release(),
  });
}

async function read(name: string, tensor: OrtTensor): Promise<Tensor> {
  const { type, dims } = tensor;
  return fromOrt(name, { type, dims, data: await tensor.getData() });
}

function settings({ device, optimize, keepsMemory = true }: SessionOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: device === 'webgpu' ? ['webgpu'] : ['wasm'],
    graphOptimizationLevel: optimize ? 'all' : 'disabled', // as in ort.node.ts
    enableMemPattern: false,
    enableCpuMemArena: keepsMemory,
    logSeverityLevel: 3,
  };
}

/** How many threads wasm has, of those wanted: one where memory cannot be shared. */
export function wasmThreads(wanted: number): number {
  return typeof SharedArrayBuffer === 'undefined' ? 1 : Math.max(1, wanted);
}

/** Throws UserError unless sessions can be made on the device. */
export async function expectDevice(device: Device): Promise<void> {
  if (device === 'cuda')
    throw new UserError(`device ${device}: expected cpu (wasm) or webgpu in a browser, got ${device}`);
  if (device === 'webgpu' && !(await hasWebGpu())) {
    throw new UserError(
      'device webgpu: this browser offers none here; take one with WebGPU (Chrome or Edge 113, Safari 26, Firefox 141, or later), on https or localhost, or the device cpu',
    );
  }
}

async function hasWebGpu(): Promise<boolean> {
  return 'gpu' in navigator && (await navigator.gpu.requestAdapter()) !== null;
}
