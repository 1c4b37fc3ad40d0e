/** What every runtime offers: the same types in node and in a browser. */

export const DEVICES = ['cpu', 'cuda', 'webgpu'] as const;
export type Device = (typeof DEVICES)[number];

export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array;
export type TensorType = 'float32' | 'int32' | 'int64' | 'bool' | 'uint8';

/** A dense row-major array. Inputs are read in place during `run`; they may be views of a larger buffer. */
export interface Tensor {
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export interface SessionOptions {
  readonly device: Device;
  /** Threads within one operator; 0 lets the runtime choose (all cores). */
  readonly threads: number;
  /**
   * Whether the memory of a run is kept for the next (the default), which can be a little faster, or given back, so that
   * the runs of other sessions can use it.
   */
  readonly keepsMemory?: boolean;
  /**
   * Whether ONNX Runtime rewrites the graph first: for files that hold their weights, of which it then computes
   * what depends on nothing else, once. Not for training graphs, which are as they should be.
   */
  readonly optimize?: boolean;
  /**
   * In a browser: where ONNX Runtime's files are, if the bundler did not put them beside its script. The address of a
   * folder, ending in `/`, with the .mjs and the .wasm; or that of either. It counts for the first session only.
   */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
  /** The beginning of a file's path, for the time of every node of every run: written when the session is released. */
  readonly profile?: string;
}

/** One ONNX graph, loaded. */
export interface Session {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Runs the graph. `fetches` names the outputs wanted (all by default). Outputs are new arrays. */
  run(feeds: Readonly<Record<string, Tensor>>, fetches?: readonly string[]): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** Named tensors that lie where the graphs run, until they are disposed of. */
export interface DeviceState {
  read(): Promise<Record<string, Tensor>>;
  dispose(): void;
}

/** A graph of which some outputs stay on the device, to be inputs of the next run of this or of another such session. */
export interface ResidentSession {
  upload(tensors: Readonly<Record<string, Tensor>>): DeviceState;
  /** Runs the graph on a state, which stays as it was, and feeds: gives the next state and the other outputs. */
  run(
    state: DeviceState,
    feeds: Readonly<Record<string, Tensor>>,
  ): Promise<{ readonly state: DeviceState; readonly outputs: Record<string, Tensor> }>;
  release(): Promise<void>;
}

/** By the name of an input, the output that is its next value. */
export type NextState = Readonly<Record<string, string>>;
