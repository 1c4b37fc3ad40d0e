/**
 * Every op's derivatives, of order one and two, computed in ONNX Runtime and compared with finite differences there.
 */
import test from 'ava';
import {
  affineLayerNorm,
  clip,
  gelu,
  geluTanh,
  leakyRelu,
  linear,
  silu,
  softplus,
} from '../../src/autodiff/functions.ts';
import { globalNorm } from '../../src/autodiff/gradient-norm.ts';
import * as ops from '../../src/onnx/ops.ts';
import { CASES, type Case, unary } from '../_cases.ts';
import { expectDerivatives } from '../_derivatives.ts';

const FUNCTIONS: Readonly<Record<string, readonly Case[]>> = {
  gelu: unary(gelu),
  softplus: unary(softplus),
  silu: unary(silu),
  clip: unary((x) => clip(ops.mul(x, 3), -1, 2)),
  'leaky relu': unary((x) => leakyRelu(ops.add(x, 2))),
  'gelu twice': unary((x) => gelu(gelu(x))),
  'gelu, tanh': unary(geluTanh),
  'layer norm': [
    { shapes: [[3, 4], [4], [4]], f: (x = ops.scalar(0), s = x, b = x) => affineLayerNorm(x, s, b, 1e-3) },
  ],
  linear: [{ shapes: [[2, 2, 3], [3, 4], [4]], f: (x = ops.scalar(0), k = x, b = x) => linear(x, k, b) }],
  einsum: ['bij,bjk->kib', 'bij,kjb', 'jbi,kib->ik', 'ibj,bik->ijkb'].map((equation) => ({
    shapes: equation
      .split('->')
      .flatMap((side, i) => (i === 0 ? side.split(',') : []))
      .map((term) => [...term].map((letter) => ({ b: 2, i: 3, j: 2, k: 2 })[letter] ?? 1)),
    f: (a = ops.scalar(0), b = a) => ops.einsum(equation, a, b),
  })),
  'global norm': [{ shapes: [[2, 3], [4], [], [2], [4, 1, 2]], f: (...x) => globalNorm(x) }],
};

for (const [name, cases] of Object.entries({ ...CASES, ...FUNCTIONS })) {
  test(`${name}: first and second derivatives agree with finite differences`, (t) =>
    expectDerivatives(t, cases));
}
