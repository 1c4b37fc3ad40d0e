/** What every runtime offers: the same types in node and in a browser. */
import { expectNumber, expectOneOf } from '../expect.ts';

export const DEVICES = ['cpu', 'cuda', 'webgpu'] as const;
/** Where graphs run: `cpu` is WebAssembly in a browser, where there is no `cuda`. */
export type Device = (typeof DEVICES)[number];

export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array;
export type TensorType = 'float32' | 'int32' | 'int64' | 'bool' | 'uint8';

/** A dense row-major array. Inputs are read in place during `run`; they may be views of a larger buffer. */
export interface Tensor {
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** How a graph is loaded. */
export interface SessionOptions {
  readonly device: Device;
  /** Threads within one operator; 0 lets the runtime choose (all cores). */
  readonly threads: number;
  /**
   * Whether the memory of a run is kept for the next one. Keeping it (the default) can be a little faster; giving it back
   * leaves it to the runs of other sessions.
   */
  readonly keepsMemory?: boolean;
  /**
   * Whether ONNX Runtime rewrites the graph first. That pays for files that hold their weights: what depends on weights
   * alone is then computed once. Training graphs are optimized already.
   */
  readonly optimize?: boolean;
  /**
   * In a browser: where ONNX Runtime's files are, if the bundler did not put them beside its script. The address of a
   * folder, ending in `/`, with the .mjs and the .wasm; or that of either. It counts for the first session only.
   */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
  /** Where to write the time of every node of every run, when the session is released: the beginning of the file's path. */
  readonly profile?: string;
}

/** Throws UserError for a device that is none: ONNX Runtime leaves out an unknown one, and takes the CPU. */
export function expectSessionOptions(options: SessionOptions): void {
  const { device, threads }: Partial<SessionOptions> = options ?? {};
  expectOneOf('createSession: device', device, DEVICES);
  expectNumber('createSession: threads', threads, { min: 0, isInteger: true });
}

/** One ONNX graph, loaded. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Runs the graph. `fetches` names the outputs wanted (all by default). Outputs are new arrays. */
  run(feeds: Readonly<Record<string, Tensor>>, fetches?: readonly string[]): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** Named tensors on the device, until they are disposed of. */
export interface DeviceState {
  read(): Promise<Record<string, Tensor>>;
  dispose(): void;
}

/** A graph some of whose outputs stay on the device, as inputs of the next run of this or another such session. */
export interface ResidentSession {
  upload(tensors: Readonly<Record<string, Tensor>>): DeviceState;
  /** Runs the graph on a state and feeds: gives the next state and the other outputs. The given state does not change. */
  run(
    state: DeviceState,
    feeds: Readonly<Record<string, Tensor>>,
  ): Promise<{ readonly state: DeviceState; readonly outputs: Record<string, Tensor> }>;
  release(): Promise<void>;
}

/** By the name of an input, the output that is its next value. */
export type NextState = Readonly<Record<string, string>>;
