/** The operands of ops, and the constants among them whose numbers are known while a graph is written. */
import { UserError } from '../../errors.ts';
import { toFloat16 } from '../float16.ts';
import { broadcast, sameShape, show, sizeOf, staticShape } from '../shapes.ts';
import { type ConstantData, type DType, isOp, Node, type Shape, type Value } from '../value.ts';

/** A number stands for a scalar constant of the other operand's dtype. */
export type Operand = Value | number;

/**
 * A graph input, fed at every run. A name that is a path, such as `head/kernel`, makes it a parameter of the layer
 * `head`. Any shape, in which one dimension may be symbolic (`batch`), and any dtype.
 */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Value {
  return new Node('Input', [], { name }, [{ dtype, shape }]).outputs[0];
}

/**
 * A constant tensor. `data` is row-major and is not copied. Its type decides the dtype; for a Uint8Array that is uint8
 * unless `dtype` is bool. Throws where it does not hold as many elements as the shape.
 */
export function constant(data: ConstantData, shape: readonly number[], dtype: DType = dtypeOf(data)): Value {
  if (data.length !== sizeOf(shape)) {
    throw new UserError(
      `constant: expected ${sizeOf(shape)} elements for shape ${show(shape)}, got ${data.length}`,
    );
  }
  return new Node('Constant', [], { data }, [{ dtype, shape }]).outputs[0];
}

/** A constant of rank 0. Throws where the dtype is one of integers and the number is no integer. */
export function scalar(value: number, dtype: DType = 'float32'): Value {
  if (dtype !== 'float32' && dtype !== 'float16' && !Number.isInteger(value))
    throw new UserError(`scalar: expected an integer for ${dtype}, got ${value}`);
  const data = {
    float32: () => Float32Array.of(value),
    float16: () => toFloat16(Float32Array.of(value)),
    int32: () => Int32Array.of(value),
    int64: () => BigInt64Array.of(BigInt(value)),
    bool: () => Uint8Array.of(value),
    uint8: () => Uint8Array.of(value),
  }[dtype]();
  return constant(data, [], dtype);
}

/** A float32 constant of this shape with `value` in every element. */
export function full(shape: readonly number[], value: number): Value {
  return constant(new Float32Array(sizeOf(shape)).fill(value), shape);
}

/** The int32 constant 0, 1, … count − 1. */
export function range(count: number): Value {
  return constant(
    Int32Array.from({ length: count }, (_, i) => i),
    [count],
  );
}

function dtypeOf(data: ConstantData): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Uint16Array) return 'float16';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof BigInt64Array ? 'int64' : 'uint8';
}

/** The number that all elements of a constant are; undefined where they differ or the value is no constant. */
export function uniformNumber(x: Value): number | undefined {
  if (isOp(x.node, 'Expand')) return uniformNumber(x.node.inputs[0]);
  if (!isOp(x.node, 'Constant') || x.dtype === 'float16') return undefined; // its data are bits, not numbers
  const { data } = x.node.attributes;
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return undefined;
  return Number(data[0]);
}

/** The number in a float32 constant of one element; undefined for any other value. */
export function singleNumber(x: Value): number | undefined {
  return x.dtype === 'float32' && x.shape.every((dim) => dim === 1) ? uniformNumber(x) : undefined;
}

export function operandPair(op: string, a: Operand, b: Operand): [Value, Value] {
  if (typeof a !== 'number') return [a, typeof b === 'number' ? scalar(b, a.dtype) : b];
  if (typeof b === 'number')
    throw new UserError(`${op}: expected a value and a value or number, got two numbers`);
  return [scalar(a, b.dtype), b];
}

/** `x` where the other operand is `number` everywhere, the one that leaves x as it is, shape too; else undefined. */
export function unchanged(x: Operand, other: Operand, number: number): Value | undefined {
  if (typeof x === 'number') return undefined;
  const isNeutral =
    typeof other === 'number'
      ? other === number
      : uniformNumber(other) === number && sameShape(broadcast('operand', other.shape, x.shape), x.shape);
  return isNeutral ? x : undefined;
}

/** The operands without an Expand that an elementwise op does not need, because it broadcasts to `shape` by itself. */
export function unexpanded(a: Value, b: Value, shape: Shape): [Value, Value] {
  if (isOp(a.node, 'Expand') && sameShape(b.shape, shape)) return [a.node.inputs[0], b];
  if (isOp(b.node, 'Expand') && sameShape(a.shape, shape)) return [a, b.node.inputs[0]];
  return [a, b];
}

/** A constant of one element with the shape that two operands broadcast to. */
export function folded(op: string, value: number, a: Value, b: Value): Value {
  return constant(Float32Array.of(value), staticShape(broadcast(op, a.shape, b.shape)));
}
