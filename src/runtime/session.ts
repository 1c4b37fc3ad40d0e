/** What every runtime offers: the same types in node and in a browser. */
import { expectNumber, expectOneOf } from '../expect.ts';

/** ONNX Runtime's own types, for what takes and gives its tensors as they are. */
export type { Tensor as OrtTensor, TensorConstructor as OrtTensorConstructor } from 'onnxruntime-common';

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
  /** Whether the numbers never change, so that a device may keep them. */
  readonly isFixed?: boolean;
}

/** How a graph is loaded. */
export interface SessionOptions {
  readonly device: Device;
  /** Threads within one operator; 0 lets the runtime choose (all cores). */
  readonly threads: number;
  /**
   * Whether the session keeps the memory of a run for its next run (the default). That can be a little faster. Otherwise
   * other sessions can use the memory in between.
   */
  readonly keepsMemory?: boolean;
  /**
   * Whether ONNX Runtime rewrites the graph first. That pays for files that hold their weights, because values that
   * depend on weights alone are then computed once. Training graphs are optimized already.
   */
  readonly optimize?: boolean;
  /**
   * In a browser: where ONNX Runtime's files are, if the bundler did not put them beside its script. Either the address
   * of a folder with the .mjs and the .wasm, ending in `/`, or the addresses of the files. Only the first session reads
   * it.
   */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
  /** If given, releasing the session writes the time of every node of every run to a file whose path begins with this. */
  readonly profile?: string;
}

/** Throws UserError for an unknown device, for which ONNX Runtime would silently take the CPU, and invalid `threads`. */
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

/** Named tensors that stay on the device until `dispose` is called. */
export interface DeviceState {
  read(): Promise<Record<string, Tensor>>;
  dispose(): void;
}

/** A graph with outputs that stay on the device. They are inputs of the next run, of this or another such session. */
export interface ResidentSession {
  upload(tensors: Readonly<Record<string, Tensor>>): DeviceState;
  /** Runs the graph on a state and feeds. Returns the next state and the other outputs. The given state is unchanged. */
  run(
    state: DeviceState,
    feeds: Readonly<Record<string, Tensor>>,
  ): Promise<{ readonly state: DeviceState; readonly outputs: Record<string, Tensor> }>;
  release(): Promise<void>;
}

/** Maps an input to the output that is its next value, by their names. */
export type NextState = Readonly<Record<string, string>>;
