/**
 * How right an imported file is: its outputs beside ONNX Runtime's own run of the file, the gradient of a loss, and the
 * gradient of that gradient's squared norm, which exact regularization takes. The loss is Σ r∘(y + y²/2) with random r. The
 * derivatives are compared with those of PyPI `onnx-ad`; where it does not differentiate its gradient again, its second
 * derivatives along the gradient and random directions are. Where it refuses the file, with central differences along the
 * derivative: of the loss, as ONNX Runtime computes it of the file with other weights, and of the norm.
 */
import { grad } from '../../../src/autodiff/grad.ts';
import { messageOf } from '../../../src/errors.ts';
import type { ValueType } from '../../../src/import/entry.ts';
import { exportTrained } from '../../../src/import/export.ts';
import { findTypes } from '../../../src/import/find-types.ts';
import { type ImportedModel, modelOf } from '../../../src/import/import-model.ts';
import { interpret } from '../../../src/import/interpret.ts';
import type { OnnxModel } from '../../../src/import/onnx-model.ts';
import { type ImportOptions, type Plan, planOf } from '../../../src/import/plan.ts';
import { trunkFile } from '../../../src/import/split.ts';
import { Scope } from '../../../src/layers/scope.ts';
import { add, input, mul, reduceSum } from '../../../src/onnx/ops.ts';
import { serialize } from '../../../src/onnx/serialize.ts';
import { staticShape } from '../../../src/onnx/shapes.ts';
import type { Value } from '../../../src/onnx/value.ts';
import { graphOf } from '../../../test/_run.ts';
import { distance } from './distance.ts';
import { besideOnnxAd } from './onnx-ad.ts';
import {
  bestDifference,
  dataFor,
  dataOf,
  floats,
  joined,
  type Numbers,
  normal,
  rows,
  runBytes,
  square,
  type Tensors,
  withOutputs,
} from './original.ts';

export interface Measured {
  /** Tensors that train, and by how many of them the derivatives are compared. */
  readonly trained: number;
  readonly judged: number;
  readonly nodesKept: number;
  readonly output: number;
  readonly gradient: number;
  readonly second: number;
  /** What the derivatives were compared with. */
  readonly by: 'onnx-ad' | 'differences';
  /** What onnx-ad refused; empty for nothing. */
  readonly refusal: string;
}

export interface Given {
  readonly model: OnnxModel;
  readonly options: ImportOptions;
  readonly batch: number;
  /** With onnx-ad. */
  readonly python: string | undefined;
}

export async function measure({ model: source, options, batch, python }: Given): Promise<Measured> {
  const features = await findTypes(source, options, (bytes, feeds) => runBytes(bytes, feeds));
  const plan = planOf(source, { ...options, features });
  const model = modelOf(plan);
  const { free, fixed } = dataFor(source, plan, batch, options.fix ?? {});
  const size = plan.fixedBatch ?? batch;
  const parts = Array.from({ length: batch / size }, (_, i) => [i * size, (i + 1) * size] as const);
  const given = { ...free, ...(await featuresOf(model, free)) };
  const graphs = derivatives(model, batch, python === undefined ? new Set() : groupedWeights(plan));
  const whole = withOutputs(plan.source, graphs.outputs);
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
    judged: graphs.paths.length,
    trained: model.variables.filter(({ role }) => role === 'trainable').length,
    nodesKept: model.trunk?.nodes ?? 0,
    output,
  } as const;
  let refusal = '';
  if (python !== undefined) {
    try {
      const verdict = await besideOnnxAd({
        ...{
          python,
          file: trunkFile(plan.source, graphs.outputs, false),
          about,
          parts,
          data: free,
          fixed,
          seeds: graphs.seedsByOutput,
        },
        ...{ weights, tensors, gradient, second: curvature },
      });
      return { ...counted, ...verdict, by: 'onnx-ad' };
    } catch (error) {
      refusal = messageOf(error).trim().split('\n').at(-1) ?? '';
    }
  }
  const lossOf = async (numbers: Numbers): Promise<number> => {
    const results = await original(numbers);
    return Object.entries(graphs.seedsByOutput).reduce(
      (sum, [name, { data }]) => sum + lossAt(results.get(name) ?? [], Array.from(data, Number)),
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

/** How far the derivative of `f` along g is from |g|². */
const alongItself = (at: Numbers, g: Numbers, f: (numbers: Numbers) => Promise<number>): Promise<number> =>
  bestDifference(at, g, async (ahead, behind, step) => {
    const slope = ((await f(ahead)) - (await f(behind))) / (2 * step);
    return Math.abs(slope / square(joined(g)) - 1);
  });

const lossAt = (y: readonly number[], r: readonly number[]): number =>
  y.reduce((sum, x, i) => sum + (x + (x * x) / 2) * (r[i] ?? 0), 0);

/** The kernels of convolutions in groups, by which onnx-ad has no derivative. */
function groupedWeights({ nodes }: Plan): ReadonlySet<string> {
  const grouped = nodes.filter(
    ({ op, attributes }) => op === 'Conv' && (attributes.get('group')?.i ?? 1) > 1,
  );
  return new Set(grouped.map(({ inputs }) => inputs[1] ?? ''));
}

/** The graphs of the first and the second derivative by all that trains, but for what is left out. */
function derivatives(model: ImportedModel, batch: number, leftOut: ReadonlySet<string>) {
  const fields = Object.entries(model.inputs).map(([name, { dtype, shape }]): [string, Value] => [
    name,
    input(name, [batch, ...shape], dtype),
  ]);
  const scope = new Scope({ training: false });
  const predicted = Object.entries(model.predict(scope, Object.fromEntries(fields))).filter(
    ([, { dtype }]) => dtype === 'float32',
  );
  const trains = new Set(
    model.variables.flatMap(({ path, role }) => (role === 'trainable' && !leftOut.has(path) ? [path] : [])),
  );
  const variables = scope.variables.filter(({ path }) => trains.has(path));
  const seedsByOutput = Object.fromEntries(
    predicted.map(([name, { shape }], i) => [
      name,
      floats(staticShape(shape), normal(staticShape(shape), 100 + i)),
    ]),
  );
  const loss = predicted
    .map(([name, y]) => reduceSum(mul(add(y, mul(mul(y, y), 0.5)), input(`r/${name}`, y.shape))))
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
      floats([batch, ...shape], Float32Array.from(parts.flatMap((part) => [...dataOf(part, name)]))),
    ]),
  );
}
