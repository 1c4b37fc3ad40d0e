/** Reductions along axes, written with sums and maxima. */
import { stopGradient } from '../../autodiff/functions.ts';
import {
  abs,
  add,
  exp,
  log,
  mul,
  neg,
  pad,
  reduceMax,
  reduceMean,
  reduceSum,
  reshape,
  slice,
  sqrt,
  sub,
  transpose,
} from '../../onnx/ops.ts';
import { normalizeAxis, product, staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { asItLies } from './images.ts';
import type { Lowering, Lowerings } from './lowering.ts';

/** Over these axes, each of which stays with length 1. */
type Reduction = (x: Value, axes: readonly number[]) => Value;

const sum: Reduction = (x, axes) => reduceSum(x, { axes, keepdims: true });
const max: Reduction = (x, axes) => reduceMax(x, { axes, keepdims: true });

/** log Σ eˣ. What is the largest is taken out first, so that no power overflows. */
const logSumExp: Reduction = (x, axes) => {
  const most = stopGradient(max(x, axes));
  return add(log(sum(exp(sub(x, most)), axes)), most);
};

/** The product, by halves: its derivative is right where a factor is 0. */
const prod: Reduction = (x, axes) => {
  const others = x.shape.map((_, i) => i).filter((axis) => !axes.includes(axis));
  const last = transpose(x, [...others, ...axes]);
  const lead = last.shape.slice(0, others.length);
  let length = staticDim(product(last.shape.slice(others.length)), 'ReduceProd', x.shape);
  let rest = reshape(last, [...lead, length]);
  while (length > 1) {
    const half = Math.floor(length / 2);
    const halves = mul(slice(rest, -1, 0, half), slice(rest, -1, half, 2 * half));
    // With an odd length, the one that is left over goes into the first product.
    rest = length % 2 === 0 ? halves : oddOneIn(halves, slice(rest, -1, length - 1, length));
    length = half;
  }
  const kept = x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  return reshape(rest, kept);
};

/** The products with one factor more in the first: times (odd, 1, 1, …), as 1 + (odd − 1, 0, 0, …). */
function oddOneIn(products: Value, odd: Value): Value {
  const length = staticDim(products.shape.at(-1), 'ReduceProd', products.shape);
  return mul(products, add(pad(sub(odd, 1), -1, 0, length - 1), 1));
}

/** A lowering by its reduction, with what is done to the elements before. */
const reduced =
  (reduction: Reduction): Lowering =>
  (call) => {
    const { x, axis, result } = asItLies(call);
    const rank = x.shape.length;
    const given = call.attributes.ints('axes') ?? call.numbers(1, 'axes') ?? [];
    const isNothing = given.length === 0 && call.attributes.int('noop_with_empty_axes', 0) !== 0;
    const all =
      given.length > 0 ? given.map((each) => normalizeAxis(call.op, each, rank)) : x.shape.map((_, i) => i);
    const axes = isNothing ? [] : all.map(axis);
    const y = reduction(x, axes);
    if (call.attributes.int('keepdims', 1) !== 0 || isNothing) return [result(y)];
    // The axes that stay are put into ONNX's order, all of them: without the others there is no channel's place.
    const stays = x.shape.map((_, i) => i).filter((each) => !all.includes(each));
    return [
      reshape(
        transpose(
          y,
          x.shape.map((_, i) => axis(i)),
        ),
        stays.map((each) => x.shape[axis(each)] ?? 1),
      ),
    ];
  };

export const REDUCTIONS: Lowerings = {
  ReduceSum: reduced(sum),
  ReduceMean: reduced((x, axes) => reduceMean(x, { axes, keepdims: true })),
  ReduceMax: reduced(max),
  ReduceMin: reduced((x, axes) => neg(max(neg(x), axes))),
  ReduceProd: reduced(prod),
  ReduceL1: reduced((x, axes) => sum(abs(x), axes)),
  ReduceL2: reduced((x, axes) => sqrt(sum(mul(x, x), axes))),
  ReduceSumSquare: reduced((x, axes) => sum(mul(x, x), axes)),
  ReduceLogSum: reduced((x, axes) => log(sum(x, axes))),
  ReduceLogSumExp: reduced(logSumExp),
};
