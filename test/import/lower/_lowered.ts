/** One node as a file: our lowering of it beside ONNX Runtime, and its derivatives beside finite differences. */
import type { ExecutionContext } from 'ava';
import { importModel } from '../../../src/import/import-model.ts';
import { Scope } from '../../../src/layers/scope.ts';
import { substitute } from '../../../src/onnx/graph.ts';
import { constant, input } from '../../../src/onnx/ops.ts';
import type { TensorProto } from '../../../src/onnx/proto.ts';
import { staticShape } from '../../../src/onnx/shapes.ts';
import type { Value } from '../../../src/onnx/value.ts';
import type { Case } from '../../_cases.ts';
import { expectDerivatives } from '../../_derivatives.ts';
import { run } from '../../_run.ts';
import { type Attribute, feed, file, floats, info, node, runFile } from '../_files.ts';

/**
 * A node. Its first input is the field x, and so is each `'x'`; a shape stands for a weight that trains, a tensor for a
 * constant.
 */
export interface Given {
  readonly op: string;
  readonly inputs: readonly (readonly number[] | TensorProto | '' | 'x')[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly outputs?: number;
  /** The types of outputs that are no floats, by their places. */
  readonly types?: Readonly<Record<number, number>>;
  /** Whether the node takes x with its first two axes swapped: steps before the batch. */
  readonly isStepsFirst?: boolean;
  readonly opset?: number;
  readonly range?: readonly [number, number];
  /** Whether its second derivatives are compared; else its outputs alone. */
  readonly isSmooth?: boolean;
}

const isTensor = (given: Given['inputs'][number]): given is TensorProto =>
  typeof given === 'object' && !isShape(given);
const isShape = (given: Given['inputs'][number]): given is readonly number[] => Array.isArray(given);
const shapesOf = ({ inputs }: Given): (readonly number[])[] => inputs.filter(isShape);
const sizeOf = (shape: readonly number[]): number => shape.reduce((size, dim) => size * dim, 1);

/** Numbers in a range that look like any. */
const numbers = (count: number, seed: number, [low, high]: readonly [number, number]): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => {
    const unit = Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) * 43758.5453) % 1;
    return low + (high - low) * unit;
  });

const dataOf = (given: Given): Float32Array[] =>
  shapesOf(given).map((shape, i) => numbers(sizeOf(shape), i, given.range ?? [-1.5, 1.5]));

function fileOf(given: Given): Uint8Array {
  const { op, inputs, attributes = {}, outputs = 1, opset = 18, types = {}, isStepsFirst = false } = given;
  const data = dataOf(given);
  const initializers: TensorProto[] = [];
  let weights = 0;
  const names = inputs.map((each, i) => {
    if (each === '' || each === 'x') return each;
    const name = isTensor(each) ? each.name : i === 0 ? 'x' : `w${i}`;
    if (isTensor(each)) initializers.push(each);
    else if (i > 0) initializers.push(floats(name, each, Array.from(data[weights] ?? [])));
    if (isShape(each)) weights++;
    return name;
  });
  const [, ...rest] = shapesOf(given)[0] ?? [];
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return file({
    nodes: isStepsFirst
      ? [
          node('Transpose', ['x'], 'steps', { perm: [1, 0, 2] }),
          node(op, ['steps', ...names.slice(1)], made, attributes),
        ]
      : [node(op, names, made, attributes)],
    inputs: [info('x', ['batch', ...rest])],
    outputs: made.map((name, i) => info(name, undefined, types[i])),
    initializers,
    opset,
    opsets: [{ domain: 'com.microsoft', version: 1 }],
  });
}

/** The outputs of our lowering, of values for the field and the weights in their order. */
function lowered(given: Given, xs: readonly Value[]): readonly Value[] {
  const [x] = xs;
  const model = importModel(fileOf(given));
  const scope = new Scope({ training: false });
  if (!x) throw new Error('test: no field');
  const outputs = Object.values(model.predict(scope, { x }));
  const weights = given.inputs.flatMap((each, i) => (isShape(each) && i > 0 ? [`w${i}`] : []));
  const by = new Map<Value, Value>();
  for (const { path, value } of scope.variables) {
    const at = weights.indexOf(path);
    // What the case gives as a tensor keeps its numbers.
    const kept = at < 0 ? model.weights().get(path) : undefined;
    const now = kept ? constant(kept, staticShape(value.shape)) : xs[at + 1];
    if (now) by.set(value, now);
  }
  return substitute(outputs, by);
}

/** Checks that all nodes give what ONNX Runtime gives, and that derivatives of both orders are right. */
export async function expectLowered(t: ExecutionContext, nodes: readonly Given[]): Promise<void> {
  for (const given of nodes) {
    const shapes = shapesOf(given);
    const data = dataOf(given);
    const [x, ...weights] = shapes.map((shape, i) =>
      i === 0 ? input('x', shape) : constant(data[i] ?? new Float32Array(), shape),
    );
    const fed = data[0] ?? new Float32Array();
    const what = `${given.op} ${JSON.stringify(given.attributes ?? {})}`;
    if (!x) throw new Error('test: no field');
    const outputs = lowered(given, [x, ...weights]);
    const got = await run(Object.fromEntries(outputs.map((value, i) => [`y${i}`, value])), { x: fed });
    const wanted = await runFile(fileOf(given), { x: feed(shapes[0] ?? [], fed) });
    for (const [name, expected] of Object.entries(wanted)) {
      const values = got[name] ?? new Float32Array();
      t.is(values.length, expected.length, what);
      const worst = expected.reduce((most, each, i) => Math.max(most, Math.abs(each - (values[i] ?? 0))), 0);
      t.true(worst < 2e-5 * (1 + Math.max(...expected.map(Math.abs))), `${what} ${name}: off by ${worst}`);
    }
    if (given.isSmooth === false) continue;
    const { range } = given;
    const one: Case = { shapes, ...(range && { range }), f: (...xs) => lowered(given, xs) };
    await expectDerivatives(t, [one]);
  }
}
