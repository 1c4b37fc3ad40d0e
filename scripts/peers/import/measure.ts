/**
 * How right an imported file is: its outputs beside ONNX Runtime's own run of the file, the gradient of a loss, and the
 * gradient of that gradient's squared norm, which exact regularization takes. The loss is Σ r∘y with random r. The
 * derivatives are compared with those of PyPI `onnx-ad`; where that refuses the file, with central differences along the
 * derivative: of the loss, as ONNX Runtime computes it of the file with other weights, and of the norm.
 */
import { grad } from '../../../src/autodiff/grad.ts';
import type { ValueType } from '../../../src/import/entry.ts';
import { exportTrained } from '../../../src/import/export.ts';
import { findTypes } from '../../../src/import/find-types.ts';
import { type ImportedModel, modelOf } from '../../../src/import/import-model.ts';
import type { OnnxModel } from '../../../src/import/onnx-model.ts';
import { interpret } from '../../../src/import/interpret.ts';
import { type ImportOptions, type Plan, planOf } from '../../../src/import/plan.ts';
import { Scope } from '../../../src/layers/scope.ts';
import { add, input, mul, reduceSum } from '../../../src/onnx/ops.ts';
import { serialize } from '../../../src/onnx/serialize.ts';
import { staticShape } from '../../../src/onnx/shapes.ts';
import type { Value } from '../../../src/onnx/value.ts';
import { graphOf } from '../../../test/_run.ts';
import { distance } from './distance.ts';
import { dataFor, floats, normal, rows, runBytes, secondOrder, type Tensors, withOutputs } from './original.ts';

export interface Measured {
  /** Tensors that train, and numbers in them. */
  readonly trained: readonly [tensors: number, numbers: number];
  readonly nodesKept: number;
  readonly output: number;
  readonly gradient: number;
  readonly second: number;
  /** What the derivatives were compared with. */
  readonly by: 'onnx-ad' | 'differences';
  /** Why not with onnx-ad. */
  readonly refusal: string | undefined;
}

export interface Given {
  readonly model: OnnxModel;
  readonly options: ImportOptions;
  readonly batch: number;
  /** With onnx-ad. */
  readonly python: string | undefined;
}

type Numbers = ReadonlyMap<string, Float32Array>;

export async function measure({ model: source, options, batch, python }: Given): Promise<Measured> {
  const features = await findTypes(source, options, (bytes, feeds) => runBytes(bytes, feeds));
  const plan = planOf(source, { ...options, features });
  const model = modelOf(plan);
  const { free, fixed } = dataFor(source, plan, batch, options.fix ?? {});
  const size = plan.fixedBatch ?? batch;
  const parts = Array.from({ length: batch / size }, (_, i) => [i * size, (i + 1) * size] as const);
  const given = { ...free, ...(await featuresOf(model, free)) };
  const graphs = derivatives(model, batch);
  const whole = withOutputs(source, graphs.outputs);
  const weights = model.weights();
  const shapes = new Map(model.variables.map(({ path, shape }) => [path, shape]));
  const tensors = (numbers: Numbers): Tensors =>
    Object.fromEntries([...numbers].map(([path, data]) => [path, floats(shapes.get(path) ?? [], data)]));
  const first = async (numbers: Numbers) =>
    runBytes(graphs.first, { ...given, ...graphs.seeds, ...tensors(numbers) });
  const found = await first(weights);
  const second = await runBytes(graphs.second, { ...given, ...graphs.seeds, ...tensors(weights) });
  const gradient = new Map(graphs.paths.map((path) => [path, dataOf(found, `g/${path}`)]));
  const curvature = new Map(graphs.paths.map((path) => [path, dataOf(second, `s/${path}`)]));

  /** The outputs that ONNX Runtime gives for the file with other weights. */
  const original = async (numbers?: Numbers): Promise<Map<string, number[]>> => {
    const bytes = exportTrained(whole, { values: numbers ?? new Map(), adapters: [] });
    const results = new Map(graphs.outputs.map((name) => [name, [] as number[]]));
    for (const [from, to] of parts) {
      const some = await runBytes(bytes, { ...rows(free, from, to), ...fixed }, graphs.outputs);
      for (const [name, list] of results) for (const x of dataOf(some, name)) list.push(x);
    }
    return results;
  };
  const outputs = await original();
  const output = distance(
    graphs.outputs.flatMap((name) => [...dataOf(found, `y/${name}`)]),
    graphs.outputs.flatMap((name) => outputs.get(name) ?? []),
  );
  const about = {
    inputs: Object.fromEntries(
      Object.entries({ ...rows(free, 0, size), ...fixed }).map(([name, { shape }]) => [name, shape]),
    ),
    weights: Object.fromEntries(graphs.paths.map((path) => [path, shapes.get(path) ?? []])),
    outputs: graphs.outputs,
    values: shapesOf(plan, size),
  };
  const counted = {
    trained: [graphs.paths.length, [...gradient.values()].reduce((sum, { length }) => sum + length, 0)],
    nodesKept: model.trunk?.nodes ?? 0,
    output,
  } as const;
  let refusal: string | undefined;
  if (python !== undefined) {
    try {
      const bytes = secondOrder(python, whole, about);
      const sums = { adj: zerosLike(gradient), fwd_adj: zerosLike(gradient) };
      for (const [from, to] of parts) {
        const results = await runBytes(bytes, {
          ...rows(free, from, to),
          ...fixed,
          ...tensors(weights),
          ...seeded('adj_', rows(graphs.seedsByOutput, from, to)),
          ...seeded('fwd_', tensors(gradient)),
        });
        for (const kind of ['adj', 'fwd_adj'] as const)
          for (const [path, sum] of sums[kind])
            dataOf(results, `${kind}_${path}`).forEach((x, i) => {
              sum[i] = (sum[i] ?? 0) + (kind === 'adj' ? x : 2 * x);
            });
      }
      return {
        ...counted,
        gradient: distance(joined(gradient), joined(sums.adj)),
        second: distance(joined(curvature), joined(sums.fwd_adj)),
        ...{ by: 'onnx-ad', refusal: undefined },
      };
    } catch (error) {
      refusal = lastLine(error);
    }
  }
  const lossOf = async (numbers: Numbers): Promise<number> => {
    const results = await original(numbers);
    return Object.entries(graphs.seedsByOutput).reduce(
      (sum, [name, { data }]) => sum + dot(results.get(name) ?? [], Array.from(data, Number)),
      0,
    );
  };
  const normOf = async (numbers: Numbers): Promise<number> => {
    const results = await first(numbers);
    return graphs.paths.reduce((sum, path) => sum + square(dataOf(results, `g/${path}`)), 0);
  };
  return {
    ...counted,
    gradient: await alongItself(weights, gradient, lossOf),
    second: await alongItself(weights, curvature, normOf),
    ...{ by: 'differences', refusal },
  };
}

function derivatives(model: ImportedModel, batch: number) {
  const fields = Object.entries(model.inputs).map(([name, { dtype, shape }]): [string, Value] => [
    name,
    input(name, [batch, ...shape], dtype),
  ]);
  const scope = new Scope({ training: false });
  const predicted = Object.entries(model.predict(scope, Object.fromEntries(fields))).filter(
    ([, { dtype }]) => dtype === 'float32',
  );
  const trains = new Set(model.variables.flatMap(({ path, role }) => (role === 'trainable' ? [path] : [])));
  const variables = scope.variables.filter(({ path }) => trains.has(path));
  const seedsByOutput = Object.fromEntries(
    predicted.map(([name, { shape }], i) => [
      name,
      floats(staticShape(shape), normal(staticShape(shape), 100 + i)),
    ]),
  );
  const loss = predicted
    .map(([name, y]) => reduceSum(mul(y, input(`r/${name}`, y.shape))))
    .reduce((a, b) => add(a, b));
  const values = variables.map(({ value }) => value);
  const gradients = grad(loss, values);
  const norm = gradients.map((each) => reduceSum(mul(each, each))).reduce((a, b) => add(a, b));
  const seconds = grad(norm, values);
  const named = (kind: string, all: readonly Value[]): [string, Value][] =>
    all.map((value, i) => [`${kind}/${variables[i]?.path}`, value]);
  const ys = predicted.map(([name, y]): [string, Value] => [`y/${name}`, y]);
  return {
    outputs: predicted.map(([name]) => name),
    paths: variables.map(({ path }) => path),
    seedsByOutput,
    seeds: Object.fromEntries(Object.entries(seedsByOutput).map(([name, r]) => [`r/${name}`, r])),
    first: serialize(graphOf(Object.fromEntries([...ys, ...named('g', gradients)]))),
    second: serialize(graphOf(Object.fromEntries(named('s', seconds)))),
  };
}

/** The shapes of all floats of the file that are no weights, for programs that cannot find them. */
function shapesOf(plan: Plan, batch: number): Record<string, readonly number[]> {
  const scope = new Scope({ training: false });
  const source = (name: string, { shape, dtype }: ValueType): Value => input(name, shape, dtype);
  const { entries } = interpret({ ...plan, trunk: new Set() }, { scope, batch, source });
  const computed = new Set(plan.nodes.flatMap(({ outputs }) => outputs));
  return Object.fromEntries(
    [...entries].flatMap(([name, { dtype, shape }]) =>
      dtype === 'float32' && computed.has(name) ? [[name, staticShape(shape)]] : [],
    ),
  );
}

/** What the trunk gives, of as many examples at once as it takes. */
async function featuresOf({ trunk }: ImportedModel, data: Tensors): Promise<Tensors> {
  if (!trunk) return {};
  const bytes = trunk.bytes();
  const batch = Object.values(data)[0]?.shape[0] ?? 1;
  const size = trunk.batch ?? batch;
  const parts: Tensors[] = [];
  for (let at = 0; at < batch; at += size) parts.push(await runBytes(bytes, rows(data, at, at + size)));
  return Object.fromEntries(
    Object.entries(trunk.features).map(([name, { shape }]) => [
      name,
      floats(
        [batch, ...shape],
        Float32Array.from(parts.flatMap((part) => [...dataOf(part, name)])),
      ),
    ]),
  );
}

/** The derivative of `f` along `g` by central differences, beside the norm of g: relative, at the best of three distances. */
async function alongItself(
  at: Numbers,
  g: Numbers,
  f: (numbers: Numbers) => Promise<number>,
): Promise<number> {
  const [norm, size] = [Math.sqrt(square(joined(g))), Math.sqrt(square(joined(at)))];
  let best = Number.POSITIVE_INFINITY;
  for (const distance of [1e-2, 1e-3, 1e-4]) {
    const step = (distance * size) / norm;
    const moved = (sign: number): Numbers =>
      new Map([...at].map(([path, x]) => [path, x.map((v, i) => v + sign * step * (g.get(path)?.[i] ?? 0))]));
    const slope = ((await f(moved(1))) - (await f(moved(-1)))) / (2 * step * norm);
    best = Math.min(best, Math.abs(slope - norm) / norm);
  }
  return best;
}

const dataOf = (tensors: Tensors, name: string): Float32Array =>
  Float32Array.from(tensors[name]?.data ?? [], Number);
const zerosLike = (numbers: Numbers): Map<string, Float32Array> =>
  new Map([...numbers].map(([path, { length }]) => [path, new Float32Array(length)]));
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
const square = (x: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] ?? 0) ** 2;
  return sum;
};
const joined = (numbers: Numbers): Float32Array => {
  const all = new Float32Array([...numbers.values()].reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of numbers.values()) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Tensors under other names, with an axis of one seed behind their own. */
const seeded = (prefix: string, tensors: Tensors): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      `${prefix}${name}`,
      { ...tensor, shape: [...tensor.shape, 1] },
    ]),
  );

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? text;
}
