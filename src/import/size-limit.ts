/** How large a result may be. What a file asks for beyond that is refused before anything is made of it. */
import { sizePerExample } from '../onnx/shapes.ts';
import type { Dim, Shape } from '../onnx/value.ts';
import { batchMultiple } from './known.ts';
import type { Call } from './lower/lowering.ts';

/** More numbers for an example than any layer has: a file that asks for them is damaged, or means harm. */
const MOST_NUMBERS = 2 ** 28;

/** Throws UserError where a result of this shape is larger than the limit. */
export function expectSize(call: Call, shape: Shape): void {
  if (countOf(shape) <= MOST_NUMBERS) return;
  throw call.error(`expected at most ${MOST_NUMBERS} numbers for an example, got [${shape.join(', ')}]`);
}

/** For an example. A shape of two batches is a mistake that others find. */
function countOf(shape: Shape): number {
  const symbols = shape.filter((dim) => typeof dim !== 'number');
  return symbols.length > 1 ? 0 : sizePerExample(shape);
}

const numberOf = (dim: Dim | undefined): number =>
  typeof dim === 'number' ? dim : (batchMultiple(dim ?? 0) ?? 0);

/** By the sizes that are among an operator's inputs: the shape of its result, as large as it could be. */
const RESULTS: Readonly<Record<string, (call: Call) => Shape | undefined>> = {
  Tile: (call) => {
    const repeats = call.known(1)?.data;
    return repeats && call.shape(0).map((dim, i) => numberOf(dim) * numberOf(repeats[i]));
  },
  Pad: (call) => {
    const pads = call.known(1)?.data;
    const axes = call.has(3) ? call.known(3)?.data : call.shape(0).map((_, i) => i);
    if (!pads || !axes) return undefined;
    const shape = call.shape(0).map(numberOf);
    axes.forEach((axis, i) => {
      const at = numberOf(axis) < 0 ? numberOf(axis) + shape.length : numberOf(axis);
      const around = Math.max(0, numberOf(pads[i])) + Math.max(0, numberOf(pads[i + axes.length]));
      shape[at] = (shape[at] ?? 0) + around;
    });
    return shape;
  },
  Resize: (call) => {
    const [scales, sizes] = [call.known(2)?.data, call.known(3)?.data];
    if (scales && scales.length > 0)
      return scales.map((scale, i) => numberOf(call.shape(0)[i]) * numberOf(scale));
    return sizes?.map(numberOf);
  },
  OneHot: (call) => {
    const depth = call.known(1)?.data[0];
    return depth === undefined ? undefined : [...call.shape(0).map(numberOf), numberOf(depth)];
  },
};

/** Throws UserError where a node asks for a result that is too large, before it is lowered. */
export function expectSmallResult(call: Call): void {
  const shape = call.domain === '' && Object.hasOwn(RESULTS, call.op) ? RESULTS[call.op]?.(call) : undefined;
  if (shape) expectSize(call, shape);
}
