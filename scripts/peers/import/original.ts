/** A file as ONNX Runtime itself runs it, on random data. */
import { dimIn } from '../../../src/import/known.ts';
import type { OnnxModel } from '../../../src/import/onnx-model.ts';
import type { Plan } from '../../../src/import/plan.ts';
import { sizeOf } from '../../../src/onnx/shapes.ts';
import type { DType } from '../../../src/onnx/value.ts';
import { Random } from '../../../src/random.ts';
import { createSession } from '../../../src/runtime/ort.node.ts';
import type { Tensor } from '../../../src/runtime/session.ts';

export type Tensors = Readonly<Record<string, Tensor>>;

export const floats = (shape: readonly number[], data: Float32Array): Tensor => ({
  dtype: 'float32',
  shape,
  data,
});

/** Normal numbers, that are the same each time. */
export function normal(shape: readonly number[], index: number): Float32Array {
  const random = new Random(0, 'probe', index);
  return Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
}

function randomTensor(dtype: DType, shape: readonly number[], index: number): Tensor {
  const numbers = normal(shape, index);
  if (dtype === 'float32') return floats(shape, numbers);
  const small = Int32Array.from(numbers, (x) => Math.abs(Math.round(10 * x)));
  if (dtype === 'int32') return { dtype, shape, data: small };
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(small, BigInt) };
  throw new Error(`no random numbers of type ${dtype}`);
}

/** Random data for the inputs that a plan leaves, and for those that are one number. */
export function dataFor(
  model: OnnxModel,
  { bound }: Plan,
  batch: number,
  fix: Readonly<Record<string, number>>,
) {
  const free = [...bound.types].map(([name, { dtype, shape }], i): [string, Tensor] => [
    name,
    randomTensor(dtype, numbersIn(shape.map((dim) => dimIn(dim, batch))), i),
  ]);
  const fixed = Object.entries(fix).map(([name, value]): [string, Tensor] => {
    const declared = model.types.get(name);
    const shape = declared?.shape?.map((dim) => (typeof dim === 'number' ? dim : batch)) ?? [];
    if (declared?.dataType !== 7) return [name, floats(shape, new Float32Array(sizeOf(shape)).fill(value))];
    const data = new BigInt64Array(sizeOf(shape)).fill(BigInt(value));
    return [name, { dtype: 'int64', shape, data }];
  });
  return { free: Object.fromEntries(free), fixed: Object.fromEntries(fixed) };
}

const numbersIn = (shape: readonly (number | string)[]): number[] => shape.map(Number);

/** The rows `from` to `to` of tensors whose first axis is the batch. */
export function rows(tensors: Tensors, from: number, to: number): Tensors {
  return Object.fromEntries(
    Object.entries(tensors).map(
      ([
        name,
        {
          dtype,
          shape: [batch = 1, ...rest],
          data,
        },
      ]) => {
        const each = data.length / batch;
        return [name, { dtype, shape: [to - from, ...rest], data: data.subarray(from * each, to * each) }];
      },
    ),
  );
}

/** The file with these outputs, which may be any values of it. */
export function withOutputs(model: OnnxModel, names: readonly string[]): OnnxModel {
  const { proto } = model;
  const known = new Map(proto.graph.output.map((each) => [each.name, each]));
  const output = names.map((name) => known.get(name) ?? { name, type: null });
  return { ...model, proto: { ...proto, graph: { ...proto.graph, output } } };
}

export async function runBytes(bytes: Uint8Array, feeds: Tensors, fetches?: readonly string[]) {
  const session = await createSession(bytes, { device: 'cpu', threads: 1, optimize: true });
  const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.includes(name)));
  const results = await session.run(given, fetches);
  await session.release();
  return results;
}

/** Numbers by the paths of variables. */
export type Numbers = ReadonlyMap<string, Float32Array>;

export const dataOf = (tensors: Tensors, name: string): Float32Array =>
  Float32Array.from(tensors[name]?.data ?? [], Number);

export function square(x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] ?? 0) ** 2;
  return sum;
}

export function joined(numbers: Numbers): Float32Array {
  const all = new Float32Array([...numbers.values()].reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of numbers.values()) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Distances to go, by the norm of where one stands. */
const DISTANCES = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/** The best of several differences: what `compare` makes of the numbers on both sides, a step along `direction` away. */
export async function bestDifference(
  at: Numbers,
  direction: Numbers,
  compare: (ahead: Numbers, behind: Numbers, step: number) => Promise<number>,
): Promise<number> {
  const size = Math.sqrt(square(joined(at)) / square(joined(direction)));
  let best = Number.POSITIVE_INFINITY;
  for (const distance of DISTANCES) {
    const step = distance * size;
    const moved = (by: number): Numbers =>
      new Map([...at].map(([path, x]) => [path, x.map((v, i) => v + by * (direction.get(path)?.[i] ?? 0))]));
    const found = await compare(moved(step), moved(-step), step);
    // A long step may leave where the network is defined: a variance below 0.
    if (Number.isFinite(found)) best = Math.min(best, found);
  }
  return best;
}
