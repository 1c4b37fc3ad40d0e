/** Weights in few bits, as the numbers that they stand for. */
import { cast, constant, gather, mul, reshape, sub } from '../../onnx/ops.ts';
import { normalizeAxis, staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** A scale or a zero point beside x: one for all, for each place of an axis, or for each block of an axis. */
function beside(call: Call, x: Value, of: Value): Value {
  const factor = cast(of, 'float32');
  if (factor.shape.length === 0 || factor.shape.every((dim) => dim === 1)) return reshape(factor, []);
  const axis = normalizeAxis(call.op, call.attributes.int('axis', 1), x.shape.length);
  const block = call.attributes.int('block_size', 0);
  if (block > 0) {
    const length = staticDim(x.shape[axis], call.op, x.shape);
    const blocks = Int32Array.from({ length }, (_, i) => Math.floor(i / block));
    return gather(factor, constant(blocks, [length]), axis);
  }
  if (factor.shape.length !== 1) throw call.error('expected scales of one axis, or a block_size');
  return reshape(
    factor,
    x.shape.map((dim, i) => (i === axis ? (factor.shape[0] ?? dim) : 1)),
  );
}

const dequantizeLinear: Lowering = (call) => {
  const x = call.value(0);
  const zero = call.optional(2);
  const numbers = cast(x, 'float32');
  const centred = zero ? sub(numbers, beside(call, x, zero)) : numbers;
  return [mul(centred, beside(call, x, call.value(1)))];
};

export const QUANTIZED: Lowerings = { DequantizeLinear: dequantizeLinear };
