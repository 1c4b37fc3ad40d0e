/**
 * How an op is described, in one place: its signature, its type checks, how a file stores it, and what passes need to
 * know of it. The types of nodes and rules are derived from these descriptions (value.ts).
 */
import { UserError } from '../../errors.ts';
import { normalizeAxis, show } from '../shapes.ts';
import type { DType, TensorType } from '../value.ts';

/** The tuples of operands that an op may take, by a name for their number. */
export interface Operands<T> {
  readonly 1: readonly [T];
  readonly 2: readonly [T, T];
  readonly 3: readonly [T, T, T];
  readonly '2 or 3': readonly [a: T, b: T, c?: T];
  readonly any: readonly T[];
}
export type Arity = keyof Operands<unknown>;

/** An attribute of type T, and how a file stores it. */
export interface Field<T> {
  /** `operand`: ONNX takes the list as a constant int64 tensor behind the op's own operands. */
  readonly place: 'int' | 'float' | 'ints' | 'operand';
  readonly write: (value: T) => readonly number[];
  /** `x` is the op's first operand. */
  readonly read: (numbers: readonly number[], x: TensorType | undefined) => T;
  /** The value where a file does not have the attribute, as ONNX defines it. Without one, the file must have it. */
  readonly otherwise?: T;
}

type Fields<A> = { readonly [Name in keyof A]: Field<A[Name]> };

/**
 * `elementwise`: each element of the result comes from the operands' elements at its place. `view`: the result shares
 * its operand's memory. `permutation`: the operand's elements in another order. `product`: a matrix product, bilinear in
 * the first two operands. `other`: none of these.
 */
export type Kind = 'elementwise' | 'view' | 'permutation' | 'product' | 'other';

export interface Schema<A extends Arity, Attributes, Out> {
  readonly arity: A;
  readonly attributes: Fields<Attributes>;
  readonly kind: Kind;
  /** Whether the result is the same when the operands change places. */
  readonly commutes?: boolean;
  /** `native`: the WebGPU provider has it. `rewritten`: for that target passes/portable.ts writes it with other ops. */
  readonly webgpu: 'native' | 'rewritten';
  /** Attributes that always have these values in a file. A file with other values is not read. */
  readonly fixed?: Readonly<Record<string, string>>;
  /** The results' types. Throws where the operands do not fit; `op` is the name for the error. */
  readonly infer: (x: Operands<TensorType>[A], attributes: Attributes, op: string) => Out;
}

/** Checks a description and keeps its exact type. */
export function op<
  A extends Arity,
  Attributes extends object,
  const Out extends readonly TensorType[],
  const K extends Kind,
  const W extends 'native' | 'rewritten',
>(schema: Schema<A, Attributes, Out> & { readonly kind: K; readonly webgpu: W }) {
  return schema;
}

// ---- attributes ---------------------------------------------------------------------------------------------

export const flag = (otherwise: boolean): Field<boolean> => ({
  place: 'int',
  write: (value) => [Number(value)],
  read: ([number]) => number !== 0,
  otherwise,
});

export const float = (otherwise: number): Field<number> => ({
  place: 'float',
  write: (value) => [value],
  read: ([number = otherwise]) => number,
  otherwise,
});

const fromFront = (axis: number, x: TensorType | undefined) =>
  normalizeAxis('axis', axis, x?.shape.length ?? 0);

/** An axis. A file may count it from the back; nodes count it from the front. */
export const axis = (otherwise: number): Field<number> => ({
  place: 'int',
  write: (value) => [value],
  read: ([number = otherwise], x) => fromFront(number, x),
  otherwise,
});

export const ints: Field<readonly number[]> = {
  place: 'ints',
  write: (value) => value,
  read: (numbers) => numbers,
};

/** A list that ONNX takes as a constant operand. */
export const list: Field<readonly number[]> = { ...ints, place: 'operand' };

export const axes: Field<readonly number[]> = {
  ...list,
  read: (numbers, x) => numbers.map((number) => fromFront(number, x)),
};

/** One axis that ONNX takes as a constant operand. */
export const axisOperand: Field<number> = { ...axis(0), place: 'operand' };

// ---- checks -------------------------------------------------------------------------------------------------

export const FLOAT = ['float32'] as const;
export const NUMBERS = ['float32', 'int32', 'int64'] as const;

/** Throws UserError where an operand has none of the dtypes. */
export function expectDType(op: string, x: TensorType, dtypes: readonly DType[]): void {
  if (dtypes.includes(x.dtype)) return;
  const wanted = dtypes.join(' or ');
  throw new UserError(`${op}: expected ${wanted}, got ${x.dtype} ${show(x.shape)}; cast() it first`);
}

/** Throws UserError where two operands have different dtypes. */
export function expectSameDType(op: string, a: TensorType, b: TensorType): void {
  if (a.dtype === b.dtype) return;
  throw new UserError(
    `${op}: expected operands of one dtype, got ${a.dtype} and ${b.dtype}; cast() one of them`,
  );
}
