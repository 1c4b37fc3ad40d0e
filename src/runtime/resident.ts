/** Sessions whose state stays on the device, over either of ONNX Runtime's packages. */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-common';
import type { Inputs } from './fixed.ts';
import { fromOrt, toOrtFeeds } from './ort-tensors.ts';
import type { DeviceState, NextState, ResidentSession, Tensor } from './session.ts';

export interface ResidentOptions {
  readonly session: InferenceSession;
  readonly Constructor: TensorConstructor;
  readonly inputs: Inputs;
  readonly next: NextState;
  /** A tensor on the device, copied from it. */
  readonly read: (name: string, tensor: OrtTensor) => Promise<Tensor>;
  readonly release: () => Promise<void>;
}

/** Tensors from a run, which are on the device, or from the caller, which the next run uploads. */
class State implements DeviceState {
  readonly tensors: Readonly<Record<string, OrtTensor>>;
  readonly #read: ResidentOptions['read'];

  constructor(tensors: Readonly<Record<string, OrtTensor>>, read: ResidentOptions['read']) {
    this.tensors = tensors;
    this.#read = read;
  }

  async read(): Promise<Record<string, Tensor>> {
    const entries: [string, Tensor][] = [];
    // One after the other, because a session does not accept two runs at once.
    for (const [name, tensor] of Object.entries(this.tensors))
      entries.push([name, await this.#read(name, tensor)]);
    return Object.fromEntries(entries);
  }

  dispose(): void {
    for (const tensor of Object.values(this.tensors)) tensor.dispose();
  }
}

export function residentSession({
  session,
  Constructor,
  inputs,
  next,
  read,
  release,
}: ResidentOptions): ResidentSession {
  return {
    upload: (tensors) => new State(toOrtFeeds(Constructor, tensors), read),
    async run(state, feeds) {
      if (!(state instanceof State)) throw new Error('internal: a state that no resident session gave');
      // All outputs are fetched, because on a device an output that is not fetched may not be computed.
      const results = await session.run({ ...state.tensors, ...(await inputs.of(feeds)) });
      const kept = Object.entries(next).map(([input, output]): [string, OrtTensor] => {
        const tensor = results[output];
        if (!tensor) throw new Error(`internal: the graph gave no ${output}`);
        return [input, tensor];
      });
      const names = new Set(Object.values(next));
      const others = Object.entries(results).filter(([name]) => !names.has(name));
      return {
        outputs: Object.fromEntries(others.map(([name, tensor]) => [name, fromOrt(name, tensor)])),
        state: new State(Object.fromEntries(kept), read),
      };
    },
    async release() {
      await inputs.release();
      await release();
    },
  };
}

/** Options of a session that runs on WebGPU alone, and keeps these outputs there. */
export function onWebGpuAlone(kept: readonly string[]): InferenceSession.SessionOptions {
  return {
    executionProviders: ['webgpu'],
    preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, 'gpu-buffer' as const])),
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  };
}
