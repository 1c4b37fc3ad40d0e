import test from 'ava';
import fc from 'fast-check';
import { fromFloat16, toFloat16 } from '../../src/onnx/float16.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { read } from '../../src/onnx/read.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { graphOf } from '../_run.ts';

const half = (x: number): number => toFloat16(Float32Array.of(x))[0] ?? -1;
const single = (bits: number): number => fromFloat16(Uint16Array.of(bits))[0] ?? Number.NaN;

test('numbers of known bits', (t) => {
  // https://en.wikipedia.org/wiki/Half-precision_floating-point_format#Half_precision_examples
  const known: readonly [number, number][] = [
    [0, 0x0000],
    [-0, 0x8000],
    [2 ** -24, 0x0001],
    [2 ** -14, 0x0400],
    [0.33325195, 0x3555],
    [0.99951172, 0x3bff],
    [1, 0x3c00],
    [1.00097656, 0x3c01],
    [-2, 0xc000],
    [65504, 0x7bff],
    [Number.POSITIVE_INFINITY, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ];
  for (const [number, bits] of known) t.is(half(number), bits, String(number));
  t.true(Number.isNaN(single(half(Number.NaN))));
});

test('every float16 comes back as it was', (t) => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits).filter(
    (bits) => (bits & 0x7fff) <= 0x7c00,
  );
  t.deepEqual(toFloat16(fromFloat16(all)), all);
});

test('the nearest is taken, of two as near the even one', (t) => {
  t.is(half(1 + 2 ** -11), 0x3c00);
  t.is(half(1 + 3 * 2 ** -11), 0x3c02);
  t.is(half(2 ** -25), 0);
  t.is(half(3 * 2 ** -25), 2);
  t.is(half(65519), 0x7bff);
  t.is(half(65520), 0x7c00);
  fc.assert(
    fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (x) => {
      const bits = half(x);
      const error = Math.abs(single(bits) - x);
      for (const near of [bits - 1, bits + 1]) {
        if ((near & 0x7fff) > 0x7bff || (near & 0x8000) !== (bits & 0x8000)) continue;
        if (Math.abs(single(near) - x) < error) return false;
      }
      return true;
    }),
  );
});

test('a graph of float16 and uint8 inputs and constants is read as it was written', (t) => {
  const kernel = ops.input('kernel', [2, 3], 'float16');
  const pixels = ops.input('pixels', ['batch', 2], 'uint8');
  const table = ops.constant(toFloat16(Float32Array.of(0.5, 1, 2)), [3]);
  const product = ops.matmul(ops.cast(pixels, 'float32'), ops.cast(kernel, 'float32'));
  const graph = graphOf({ y: ops.mul(product, ops.cast(table, 'float32')) });
  const file = read(serialize(graph)).graph;
  t.is(print(file), print(graph));
  const stored = read(serialize(graph, { weights: new Map([['kernel', new Uint16Array(6)]]) })).graph;
  t.deepEqual(
    stored.inputs.map(({ dtype }) => dtype),
    ['uint8'],
  );
});
