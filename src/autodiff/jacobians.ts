/**
 * The Jacobians of softmax and of normalisation, times a vector. Both are symmetric, so one function serves for
 * cotangents and for tangents. Each is a composite, so that its derivatives reuse its values.
 */
import { expectAt } from '../expect.ts';
import {
  add,
  call,
  constant,
  layerNormalization,
  mul,
  neg,
  reduceMean,
  reduceSum,
  softmax,
  sub,
} from '../onnx/ops.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Composite, Value } from '../onnx/value.ts';
import { lift } from './linear.ts';

/** A function J(x)·v with a symmetric matrix J, and its derivatives with respect to x. */
interface SymmetricMap {
  readonly body: (x: Value, v: Value) => Value;
  /** The cotangent of x, given that of the result. */
  readonly adjoint: (ct: Value, x: Value, v: Value) => Value;
  /** The tangent of the result, given those of x and v. An undefined tangent of v is zero. */
  readonly tangent: (tx: Value, tv: Value | undefined, x: Value, v: Value) => Value;
}

function symmetricMap(name: string, { body, adjoint, tangent }: SymmetricMap) {
  const apply = (x: Value, v: Value): Value => expectAt(call(composite, [x, v]), 0);
  const composite: Composite = {
    name,
    body: (inputs) => [body(expectAt(inputs, 0), expectAt(inputs, 1))],
    vjp: ([ct], _y, inputs) => {
      const [x, v] = [expectAt(inputs, 0), expectAt(inputs, 1)];
      return [lift(ct, (d) => adjoint(d, x, v)), lift(ct, (d) => apply(x, d))];
    },
    jvp: ([tx, tv], _y, inputs) => {
      const [x, v] = [expectAt(inputs, 0), expectAt(inputs, 1)];
      return [tx ? tangent(tx, tv, x, v) : lift(tv, (t) => apply(x, t))];
    },
  };
  return apply;
}

/** (a∘v) − a·Σ(a∘v) with a = softmax(x) over the axis: the Jacobian of softmax at x times v. */
export function softmaxJacobian(x: Value, v: Value, axis: number): Value {
  const total = (value: Value): Value => reduceSum(value, { axes: [axis], keepdims: true });
  const centred = (a: Value, of: Value): Value => sub(of, total(mul(a, of)));
  const jacobian = symmetricMap('softmax-jacobian', {
    body: (at, d) => {
      const a = softmax(at, axis);
      return mul(a, centred(a, d));
    },
    // a' = J·x', z = a∘v' + a'∘(v − Σ(a∘v)); the tangent is z − a·Σz, since Σa' = 0.
    tangent: (tx, tv, at, d) => {
      const a = softmax(at, axis);
      const byX = mul(jacobian(at, tx), centred(a, d));
      const z = tv ? add(byX, mul(a, tv)) : byX;
      return sub(z, mul(a, total(z)));
    },
    adjoint: (ct, at, d) => {
      const a = softmax(at, axis);
      return jacobian(at, sub(mul(ct, centred(a, d)), mul(d, total(mul(a, ct)))));
    },
  });
  return jacobian(x, v);
}

/** How values are normalised: over which of them the mean goes, and what x̂, the normalised x, is multiplied with. */
export interface Normalization {
  /** The mean over what is normalised together, kept so that it broadcasts. */
  readonly mean: (value: Value) => Value;
  /** 1/σ, as the mean is. */
  readonly inverse: (x: Value) => Value;
  /** x̂∘factor, with a factor for what is normalised together, as the mean is. */
  readonly hatTimes: (x: Value, factor: Value) => Value;
  /** mean(v∘x̂). */
  readonly alongHat: (x: Value, v: Value) => Value;
}

/** s·(v − mean v − x̂·mean(v∘x̂)) with s = 1/σ: the Jacobian of x̂ at x times v. */
export function normalizationJacobian(
  name: string,
  { mean, inverse, hatTimes, alongHat }: Normalization,
): (x: Value, v: Value) => Value {
  const centred = (value: Value): Value => sub(value, mean(value));
  const jacobian = symmetricMap(name, {
    body: (at, d) => mul(inverse(at), sub(centred(d), hatTimes(at, alongHat(at, d)))),
    // With e = v − mean v, t = mean(v∘x̂), p = mean(x̂∘x'), x̂' = J·x' and s' = −s²·p:
    //   s·[e' − x̂·(t' − s·p·t) − x̂'·t − e·(s·p)],  t' = mean(v'∘x̂ + v∘x̂').
    tangent: (tx, tv, at, d) => {
      const s = inverse(at);
      const t = alongHat(at, d);
      const shrink = mul(s, alongHat(at, tx));
      const tHat = jacobian(at, tx);
      const byHat = mean(mul(d, tHat));
      const tT = tv ? add(alongHat(at, tv), byHat) : byHat;
      const turned = add(add(hatTimes(at, sub(tT, mul(shrink, t))), mul(tHat, t)), mul(centred(d), shrink));
      return mul(s, tv ? sub(centred(tv), turned) : neg(turned));
    },
    // The sum of the parts that come by x̂ and by s, which changes by −s²·mean(x̂∘x').
    adjoint: (ct, at, d) => {
      const s = inverse(at);
      const byHat = add(mul(ct, alongHat(at, d)), mul(d, alongHat(at, ct)));
      const byInverse = hatTimes(at, mul(s, mean(mul(ct, jacobian(at, d)))));
      return neg(add(jacobian(at, mul(s, byHat)), byInverse));
    },
  });
  return jacobian;
}

/** The Jacobian of x̂ at x times v, with x̂ the normalised x over the last axis. */
export function normJacobian(x: Value, v: Value, epsilon: number): Value {
  const width = staticDim(x.shape.at(-1), 'normJacobian', x.shape);
  const ones = constant(new Float32Array(width).fill(1), [width]);
  const mean = (value: Value): Value => reduceMean(value, { axes: [-1], keepdims: true });
  const hat = (at: Value): Value => layerNormalization(at, ones, epsilon)[0];
  const jacobian = normalizationJacobian('norm-jacobian', {
    mean,
    inverse: (at) => layerNormalization(at, ones, epsilon)[2],
    hatTimes: (at, factor) => mul(hat(at), factor),
    alongHat: (at, d) => mean(mul(d, hat(at))),
  });
  return jacobian(x, v);
}
