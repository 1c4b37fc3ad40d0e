/** A file as ONNX Runtime itself runs it, on random data, and what PyPI `onnx-ad` makes of it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dimIn } from '../../../src/import/known.ts';
import type { OnnxModel } from '../../../src/import/onnx-model.ts';
import type { Plan } from '../../../src/import/plan.ts';
import { encodeAgain } from '../../../src/onnx/proto.ts';
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
export function dataFor(model: OnnxModel, { bound }: Plan, batch: number, fix: Readonly<Record<string, number>>) {
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
    Object.entries(tensors).map(([name, { dtype, shape: [batch = 1, ...rest], data }]) => {
      const each = data.length / batch;
      return [name, { dtype, shape: [to - from, ...rest], data: data.subarray(from * each, to * each) }];
    }),
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

/** What `onnx-ad` makes of a file: the bytes of its second-order model. Throws where it refuses the file. */
export function secondOrder(python: string, model: OnnxModel, about: object): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'onnx-ad-'));
  const [from, to, json] = ['model.onnx', 'second.onnx', 'about.json'].map((name) => join(folder, name));
  try {
    writeFileSync(from ?? '', encodeAgain(model.proto));
    writeFileSync(json ?? '', JSON.stringify(about));
    const script = new URL('onnx_ad_second.py', import.meta.url).pathname;
    execFileSync(python, [script, from ?? '', to ?? '', json ?? ''], { stdio: ['ignore', 'ignore', 'pipe'] });
    return readFileSync(to ?? '');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
