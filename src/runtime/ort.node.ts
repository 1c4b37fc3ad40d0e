/** onnxruntime-node: the only importer of it. */
import { createRequire } from 'node:module';
import type { TensorConstructor } from 'onnxruntime-common';
import * as ort from 'onnxruntime-node';
import { UserError } from '../errors.ts';
import { identity, input, matmul } from '../onnx/ops.ts';
import { serialize } from '../onnx/serialize.ts';
import { type Inputs, inputsInPlace, inputsOnDevice } from './fixed.ts';
import { fromOrt, indexError } from './ort-tensors.ts';
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

/** Loads an ONNX model, from its bytes or the path of its file. Blocks the calling thread, as `run` does. */
export async function createSession(model: Uint8Array | string, options: SessionOptions): Promise<Session> {
  const session = await open(model, settings(options));
  const inputs = inputsFor(options);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(feeds, fetches = session.outputNames) {
      const results = await session.run(await inputs.of(feeds), [...fetches]).catch((error: unknown) => {
        throw indexError(error) ?? error;
      });
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromOrt(name, value)]));
    },
    async release() {
      if (options.profile !== undefined) session.endProfiling();
      await inputs.release();
      await session.release();
    },
  };
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
  const onDevice = options.device === 'webgpu';
  const session = await open(model, {
    ...settings(options),
    ...(onDevice ? onWebGpuAlone(Object.values(next)) : {}),
  });
  const read = onDevice
    ? readThroughGraph(options)
    : async (name: string, tensor: ort.Tensor) => fromOrt(name, tensor);
  return residentSession({
    session,
    Constructor: ort.Tensor,
    inputs: inputsFor(options),
    next,
    read,
    release: () => session.release(),
  });
}

function inputsFor({ device, threads }: SessionOptions): Inputs {
  if (device !== 'webgpu') return inputsInPlace(ort.Tensor);
  return inputsOnDevice(ort.Tensor, (model, kept) =>
    open(model, { ...settings({ device, threads }), ...onWebGpuAlone(kept) }),
  );
}

/** Reads a tensor through a graph that copies it, because reading a tensor on the device directly aborts the process. */
function readThroughGraph(options: SessionOptions) {
  return async (name: string, tensor: ort.Tensor): Promise<Tensor> => {
    const x = input('x', tensor.dims);
    const session = await open(
      serialize({ name: 'read', inputs: [x], outputs: { y: identity(x) } }),
      settings(options),
    );
    const { y } = await session.run({ x: tensor });
    await session.release();
    if (!y) throw new Error(`internal: ${name} was not read`);
    return fromOrt(name, y);
  };
}

function open(
  model: Uint8Array | string,
  settings: ort.InferenceSession.SessionOptions,
): Promise<ort.InferenceSession> {
  return typeof model === 'string'
    ? ort.InferenceSession.create(model, settings)
    : ort.InferenceSession.create(model, settings);
}

function settings(options: SessionOptions): ort.InferenceSession.SessionOptions {
  expectSessionOptions(options);
  return {
    executionProviders: options.device === 'cpu' ? ['cpu'] : [options.device, 'cpu'],
    // The graphs are optimized already. ONNX Runtime's own rewrites take memory and time, and fuse explicit
    // transpositions into products, whose kernels are slower.
    graphOptimizationLevel: options.optimize ? 'all' : 'disabled',
    // Memory patterns double the resident memory and gain no speed.
    enableMemPattern: false,
    enableCpuMemArena: options.keepsMemory ?? true,
    ...(options.threads > 0 ? { intraOpNumThreads: options.threads } : {}),
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
    // Several sessions live in one process; without this the idle ones spin on the cores.
    extra: { session: { force_spinning_stop: '1' } },
    logSeverityLevel: 3,
  };
}

/** The command of `npm run cuda`, in full: a project that installs the package has no such script. */
const CUDA_INSTALL =
  'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false --foreground-scripts';

/** Throws UserError unless a small graph runs on the device: a provider can be installed and still not work. */
export async function expectDevice(device: Device): Promise<void> {
  if (device === 'cpu') return;
  if (device === 'cuda' && !cudaProviderInstalled()) {
    throw new UserError(
      `device cuda: the CUDA libraries of onnxruntime-node are not installed; run ${CUDA_INSTALL} (Linux x64 with CUDA 12 and cuDNN 9), or use --device cpu`,
    );
  }
  const x = input('x', [2, 2]);
  try {
    const session = await createSession(
      serialize({ name: 'probe', inputs: [x], outputs: { y: matmul(x, x) } }),
      {
        device,
        threads: 1,
      },
    );
    await session.run({ x: { dtype: 'float32', shape: [2, 2], data: new Float32Array(4) } });
    await session.release();
  } catch (error) {
    // ONNX Runtime's messages begin with a place in its source and a condition. The reason stands behind them.
    const reason = String(error instanceof Error ? error.message : error)
      .split(' was false. ')
      .at(-1)
      ?.trim();
    throw new UserError(
      `device ${device}: it does not run here (${reason}); check its driver, or use --device cpu`,
    );
  }
}

/** The class of ONNX Runtime's tensors, for what is given out as such. */
export async function tensorConstructor(_device: Device): Promise<TensorConstructor> {
  return ort.Tensor;
}

function cudaProviderInstalled(): boolean {
  const require = createRequire(import.meta.url);
  try {
    require.resolve(
      `onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}/libonnxruntime_providers_cuda.so`,
    );
    return true;
  } catch {
    return false;
  }
}
