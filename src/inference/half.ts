/** Weights stored as float16, in half the size. The graph computes in float32 either way. */
import { UserError } from '../errors.ts';
import { FLOAT16_MAX, fromFloat16, toFloat16 } from '../onnx/float16.ts';
import { type Graph, mapOutputs, substitute } from '../onnx/graph.ts';
import { cast, input } from '../onnx/ops.ts';
import { staticShape } from '../onnx/shapes.ts';
import { type ConstantData, isOp, type Value } from '../onnx/value.ts';

export const PRECISIONS = ['fp32', 'fp16'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** Weights rounded as a file in float16 rounds them. Throws a UserError for one that float16 cannot hold. */
export function throughFloat16(path: string, shape: readonly number[], data: Float32Array): Float32Array {
  return isHalved(shape) ? fromFloat16(halves(path, data)) : data;
}

/** Matrices are stored in half the size. Vectors are small, and the precision of biases and scales matters more. */
function isHalved(shape: readonly number[]): boolean {
  return shape.length > 1;
}

function halves(path: string, data: Float32Array): Uint16Array {
  const beyond = data.find((x) => Math.abs(x) > FLOAT16_MAX);
  if (beyond === undefined) return toFloat16(data);
  throw new UserError(
    `--precision fp16: ${path} holds ${beyond}, expected at most ${FLOAT16_MAX}, the largest float16; use --precision fp32`,
  );
}

/** The graph with its matrices stored as float16 and cast where they are used. */
export function inFloat16(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
): { graph: Graph; weights: ReadonlyMap<string, ConstantData> } {
  const stored = new Map<string, ConstantData>(weights);
  const casts = new Map<Value, Value>();
  const inputs = graph.inputs.map((value) => {
    const path = isOp(value.node, 'Input') ? value.node.attributes.name : '';
    const data = weights.get(path);
    if (!data || !isHalved(staticShape(value.shape))) return value;
    stored.set(path, halves(path, data));
    const half = input(path, value.shape, 'float16');
    casts.set(value, cast(half, 'float32'));
    return half;
  });
  return {
    graph: { ...mapOutputs(graph, (outputs) => substitute(outputs, casts)), inputs },
    weights: stored,
  };
}
