/**
 * Inputs of graphs on a device. What never changes, such as the frozen base of adapters, is sent there once: every session
 * that reads it shares the copy, which goes with the last of them.
 */
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from 'onnxruntime-common';
import { identity, input } from '../onnx/ops.ts';
import { serialize } from '../onnx/serialize.ts';
import { toOrtFeeds } from './ort-tensors.ts';
import type { Tensor } from './session.ts';

/** What a session is fed, as ONNX Runtime takes it. */
export interface Inputs {
  of(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** Where ONNX Runtime reads the arrays in place, there is nothing to send. */
export function inputsInPlace(Constructor: TensorConstructor): Inputs {
  return { of: async (feeds) => toOrtFeeds(Constructor, feeds), release: async () => {} };
}

/** Opens a graph of which these outputs stay on the device. */
export type OpenKept = (model: Uint8Array, kept: readonly string[]) => Promise<InferenceSession>;

/** Tensors that were sent together, and who reads them. */
interface Sent {
  readonly tensors: Promise<ReadonlyMap<Tensor, OrtTensor>>;
  readonly readers: Set<Inputs>;
  readonly release: () => Promise<void>;
}

const sent = new Map<Tensor, Sent>();

/** The inputs of one session on a device. */
export function inputsOnDevice(Constructor: TensorConstructor, open: OpenKept): Inputs {
  const inputs: Inputs = {
    async of(feeds) {
      const fixed = Object.entries(feeds).filter(([, tensor]) => tensor.isFixed);
      const missing = fixed.map(([, tensor]) => tensor).filter((tensor) => !sent.has(tensor));
      if (missing.length > 0) send([...new Set(missing)], Constructor, open);
      const groups = fixed.map(([name, tensor]) => ({ name, tensor, group: sent.get(tensor) }));
      for (const { group } of groups) group?.readers.add(inputs);
      const there: Record<string, OrtTensor> = {};
      for (const { name, tensor, group } of groups) {
        const copy = (await group?.tensors)?.get(tensor);
        if (!copy) throw new Error(`internal: ${name} was not sent`);
        there[name] = copy;
      }
      const rest = Object.entries(feeds).filter(([name]) => !there[name]);
      return { ...toOrtFeeds(Constructor, Object.fromEntries(rest)), ...there };
    },
    async release() {
      for (const group of new Set(sent.values())) {
        if (!group.readers.delete(inputs) || group.readers.size > 0) continue;
        for (const [tensor, of] of sent) if (of === group) sent.delete(tensor);
        await group.release();
      }
    },
  };
  return inputs;
}

/** Sends tensors through a graph that copies them: neither package has another way that both have. */
function send(tensors: readonly Tensor[], Constructor: TensorConstructor, open: OpenKept): void {
  const values = tensors.map(({ shape, dtype }, i) => input(`x${i}`, shape, dtype));
  const outputs = Object.fromEntries(values.map((value, i) => [`y${i}`, identity(value)]));
  const session = open(serialize({ name: 'send', inputs: values, outputs }), Object.keys(outputs));
  const feeds = Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor]));
  const run = async (): Promise<ReadonlyMap<Tensor, OrtTensor>> => {
    const results = await (await session).run(toOrtFeeds(Constructor, feeds));
    return new Map(
      tensors.map((tensor, i) => {
        const copy = results[`y${i}`];
        if (!copy) throw new Error(`internal: tensor ${i} was not sent`);
        return [tensor, copy];
      }),
    );
  };
  const copies = run();
  const group: Sent = {
    tensors: copies,
    readers: new Set(),
    async release() {
      for (const copy of (await copies).values()) copy.dispose();
      await (await session).release();
    },
  };
  for (const tensor of tensors) sent.set(tensor, group);
  // What could not be sent may be tried again.
  copies.catch(() => {
    for (const tensor of tensors) sent.delete(tensor);
  });
}
