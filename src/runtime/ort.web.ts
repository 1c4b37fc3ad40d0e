/**
 * onnxruntime-web: the only importer of it. It has the functions of ort.node.ts; "imports" in package.json chooses
 * between the two. The build with WebGPU is twice as large as the one without, so each is imported when a session first
 * needs it. Bundlers put such an import into a file of its own, from which ONNX Runtime's threads can start without
 * running the page's code.
 */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-common';
import { messageOf, UserError } from '../errors.ts';
import { type Inputs, inputsInPlace, inputsOnDevice } from './fixed.ts';
import { fromOrt } from './ort-tensors.ts';
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
import { ORT_WASM, ORT_WEBGPU_WASM } from './web-names.ts';

interface Opened {
  readonly ort: typeof import('onnxruntime-web/wasm');
  readonly session: InferenceSession;
}

/** Starts ONNX Runtime's build for the device, and loads a model. Throws UserError if device or build is missing. */
async function open(
  model: Uint8Array | string,
  wanted: SessionOptions,
  options: InferenceSession.SessionOptions,
): Promise<Opened> {
  expectSessionOptions(wanted);
  const { device, threads, wasmPaths } = wanted;
  await expectDevice(device);
  const onGpu = device === 'webgpu';
  const ort = await build(device);
  const file = onGpu ? ORT_WEBGPU_WASM : ORT_WASM;
  if (threads > 0) ort.env.wasm.numThreads = threads;
  const wasm = viteDevelopmentUrl(import.meta.url, file);
  if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
  else if (wasm !== undefined) ort.env.wasm.wasmPaths ??= { wasm };
  try {
    const session =
      typeof model === 'string'
        ? await ort.InferenceSession.create(model, options)
        : await ort.InferenceSession.create(model, options);
    return { ort, session };
  } catch (error) {
    const reason = messageOf(error);
    if (!reason.startsWith('no available backend found')) throw error;
    throw new UserError(
      `ONNX Runtime does not start (${reason}): it needs ${file} beside its script; copy that file there from node_modules/onnxruntime-web/dist, or give its address as wasmPaths`,
    );
  }
}

/** ONNX Runtime's build for the device. */
function build(device: Device): Promise<Opened['ort']> {
  return device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm');
}

/** The class of ONNX Runtime's tensors, for what is given out as such. */
export async function tensorConstructor(device: Device): Promise<TensorConstructor> {
  return (await build(device)).Tensor;
}

/**
 * Vite's development server bundles packages into `node_modules/.vite/deps`, without the files that lie beside them. If
 * `script` lies there, this returns the address of `file` in onnxruntime-web, which Vite also serves.
 */
function viteDevelopmentUrl(script: string, file: string): string | undefined {
  const [, packages] = /^(.*\/node_modules\/)\.vite\/deps\//.exec(script) ?? [];
  return packages === undefined ? undefined : `${packages}onnxruntime-web/dist/${file}`;
}

/**
 * Loads an ONNX model from its bytes or its address. Throws UserError if an option is missing or not valid, if the
 * browser does not offer the device, or if ONNX Runtime does not find its WebAssembly.
 */
export async function createSession(model: Uint8Array | string, options: SessionOptions): Promise<Session> {
  const { ort, session } = await open(model, options, settings(options));
  const inputs = inputsFor(ort.Tensor, options);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, fetches = session.outputNames) {
      const results = await session.run(await inputs.of(feeds), [...fetches]);
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(name, value)]));
    },
    async release() {
      await inputs.release();
      await session.release();
    },
  };
}

function inputsFor(Constructor: TensorConstructor, options: SessionOptions): Inputs {
  if (options.device !== 'webgpu') return inputsInPlace(Constructor);
  return inputsOnDevice(Constructor, async (model, kept) => {
    const { session } = await open(model, options, { ...settings(options), ...onWebGpuAlone(kept) });
    return session;
  });
}

/**
 * Loads a graph whose outputs named in `next` stay on the device. On WebGPU every node must run there; if one cannot,
 * this throws.
 */
export async function createResidentSession(
  model: Uint8Array,
  options: SessionOptions,
  next: NextState,
): Promise<ResidentSession> {
  const { ort, session } = await open(model, options, {
    ...settings(options),
    ...(options.device === 'webgpu' ? onWebGpuAlone(Object.values(next)) : {}),
  });
  return residentSession({
    session,
    Constructor: ort.Tensor,
    inputs: inputsFor(ort.Tensor, options),
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

/** How many of the wanted threads WebAssembly gets: one if memory cannot be shared. */
export function wasmThreads(wanted: number): number {
  return typeof SharedArrayBuffer === 'undefined' ? 1 : Math.max(1, wanted);
}

/** Throws UserError if the browser cannot run sessions on the device. */
export async function expectDevice(device: Device): Promise<void> {
  if (device === 'cuda')
    throw new UserError(`device ${device}: expected cpu (wasm) or webgpu in a browser, got ${device}`);
  if (device === 'webgpu' && !(await hasWebGpu())) {
    throw new UserError(
      'device webgpu: this browser does not offer WebGPU here; take one that has it (Chrome or Edge 113, Safari 26, Firefox 141, or later), on https or localhost, or the device cpu',
    );
  }
}

async function hasWebGpu(): Promise<boolean> {
  return 'gpu' in navigator && (await navigator.gpu.requestAdapter()) !== null;
}
