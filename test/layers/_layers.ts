/** Layers as functions of values alone, so that they can be differentiated and run like ops. */
import { Scope } from '../../src/layers/scope.ts';
import { substitute } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import type { DType, Shape, Value } from '../../src/onnx/value.ts';
import type { Case } from '../_cases.ts';

type Layer = (scope: Scope, x: Value) => Value;

export const x = (shape: Shape, dtype: DType = 'float32'): Value => ops.input('x', shape, dtype);

/** The layer's scope after a call, and its result. */
export function called(layer: Layer, at: Value, training = true): { scope: Scope; y: Value } {
  const scope = new Scope({ training });
  return { scope, y: layer(scope, at) };
}

/**
 * A case of x and the layer's parameters, in their order. Random masks keep as `kept` says, one after the other, and
 * uniform numbers are a wave in [0, 1).
 */
export function layerCase(layer: Layer, shape: readonly number[], kept: readonly number[] = []): Case {
  const { scope } = called(layer, x(shape));
  return {
    shapes: [shape, ...scope.parameters.map((parameter) => parameter.shape)],
    f: (at = x(shape), ...parameters) => {
      const { scope: own, y } = called(layer, at);
      const by = new Map(own.parameters.map(({ value }, i) => [value, parameters[i] ?? value]));
      for (const { value } of own.masks) by.set(value, pattern(value.shape.map(Number), kept));
      own.uniforms.forEach(({ value }, k) => {
        by.set(value, unitWave(value.shape.map(Number), k));
      });
      return substitute([y], by);
    },
  };
}

function unitWave(shape: readonly number[], k: number): Value {
  const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) => 0.5 + 0.49 * Math.sin(1.3 * i + k));
  return ops.constant(data, shape);
}

function pattern(shape: readonly number[], kept: readonly number[]): Value {
  const count = shape.reduce((a, b) => a * b, 1);
  return ops.constant(
    Uint8Array.from({ length: count }, (_, i) => kept[i % kept.length] ?? 1),
    shape,
    'bool',
  );
}
