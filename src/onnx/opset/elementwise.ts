/** Ops that work on each element by itself. Operands broadcast. */
import { DATA_TYPES, dtypeOf } from '../encoding.ts';
import { broadcast } from '../shapes.ts';
import type { DType, TensorType } from '../value.ts';
import { expectDType, expectSameDType, type Field, FLOAT, NUMBERS, op } from './schema.ts';

type Webgpu = 'native' | 'rewritten';
const BOOL = ['bool'] as const;

/** A function of one operand of these dtypes. The result has the dtype `to`, or else the operand's. */
const unary = <const W extends Webgpu>(dtypes: readonly DType[], webgpu: W, to?: DType) =>
  op({
    arity: 1,
    attributes: {},
    kind: 'elementwise',
    webgpu,
    infer: ([x], _, name): readonly [TensorType] => {
      expectDType(name, x, dtypes);
      return [{ dtype: to ?? x.dtype, shape: x.shape }];
    },
  });

const binary = <const W extends Webgpu>(
  dtypes: readonly DType[],
  { commutes, webgpu, to }: { readonly commutes: boolean; readonly webgpu: W; readonly to?: DType },
) =>
  op({
    arity: 2,
    attributes: {},
    kind: 'elementwise',
    commutes,
    webgpu,
    infer: ([a, b], _, name): readonly [TensorType] => {
      const shape = broadcast(name, a.shape, b.shape);
      expectSameDType(name, a, b);
      expectDType(name, a, dtypes);
      return [{ dtype: to ?? a.dtype, shape }];
    },
  });

const real = unary(FLOAT, 'native');
const sum = binary(NUMBERS, { commutes: true, webgpu: 'native' });
const difference = binary(NUMBERS, { commutes: false, webgpu: 'native' });
const comparison = binary(NUMBERS, { commutes: false, webgpu: 'native', to: 'bool' });

const dtype: Field<DType> = {
  place: 'int',
  write: (value) => [DATA_TYPES[value]],
  read: ([type = DATA_TYPES.float32]) => dtypeOf(type, 'Cast'),
  otherwise: 'float32',
};

export const elementwise = {
  Neg: unary(NUMBERS, 'native'),
  Abs: real,
  Sign: unary(FLOAT, 'rewritten'),
  Floor: real,
  Exp: real,
  Log: real,
  Sqrt: real,
  Reciprocal: real,
  Sin: real,
  Cos: real,
  Erf: real,
  Tanh: real,
  Sigmoid: real,
  Relu: real,
  IsNaN: unary(FLOAT, 'rewritten', 'bool'),
  Not: unary(BOOL, 'native'),
  Cast: op({
    arity: 1,
    attributes: { to: dtype },
    kind: 'elementwise',
    webgpu: 'rewritten',
    infer: ([x], { to }): readonly [TensorType] => [{ dtype: to, shape: x.shape }],
  }),

  Add: sum,
  Sub: difference,
  Mul: sum,
  Div: difference,
  Pow: difference,
  Min: sum,
  Max: sum,
  Equal: binary([...NUMBERS, 'uint8', 'bool'], { commutes: true, webgpu: 'rewritten', to: 'bool' }),
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  And: binary(BOOL, { commutes: true, webgpu: 'native' }),
  Or: binary(BOOL, { commutes: true, webgpu: 'rewritten' }),
  Where: op({
    arity: 3,
    attributes: {},
    kind: 'elementwise',
    webgpu: 'native',
    infer: ([condition, a, b], _, name): readonly [TensorType] => {
      expectDType(name, condition, BOOL);
      expectSameDType(name, a, b);
      // ONNX Runtime has no Where of bool on the CPU: where() writes it with And and Or.
      expectDType(name, a, [...NUMBERS, 'float16', 'uint8']);
      return [{ dtype: a.dtype, shape: broadcast(name, condition.shape, a.shape, b.shape) }];
    },
  }),
};
