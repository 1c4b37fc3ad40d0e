/**
 * Resize: along each axis, a place of the result is a sum of a few places of the image, with weights that the mode and the
 * sizes decide (ONNX, operator Resize). So it is a matrix with few numbers in each row.
 */
import { type SparseMatrix, sparseRows, type Term } from '../../autodiff/sparse-rows.ts';
import { expectAt } from '../../expect.ts';
import { normalizeAxis, staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import { asItLies } from './images.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** One axis: its length before and after, and how a place of the result is one of the image. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** Of `tf_crop_and_resize`: the part of the axis that is taken. */
  readonly crop: readonly [start: number, end: number];
}

/** By `coordinate_transformation_mode`: the place in the image. */
const PLACES: Readonly<Record<string, (i: number, axis: Axis) => number>> = {
  half_pixel: (i, { scale }) => (i + 0.5) / scale - 0.5,
  half_pixel_symmetric: (i, { scale, from, to }) => {
    const adjusted = to / (scale * from);
    return (from / 2) * (1 - adjusted) + (i + 0.5) / scale - 0.5;
  },
  pytorch_half_pixel: (i, { scale, to }) => (to > 1 ? (i + 0.5) / scale - 0.5 : 0),
  align_corners: (i, { from, to }) => (to === 1 ? 0 : (i * (from - 1)) / (to - 1)),
  asymmetric: (i, { scale }) => i / scale,
  tf_crop_and_resize: (i, { from, to, crop: [start, end] }) =>
    to > 1
      ? start * (from - 1) + (i * (end - start) * (from - 1)) / (to - 1)
      : 0.5 * (start + end) * (from - 1),
};

/** By `nearest_mode`. */
const ROUNDINGS: Readonly<Record<string, (at: number) => number>> = {
  round_prefer_floor: (at) => Math.ceil(at - 0.5),
  round_prefer_ceil: (at) => Math.floor(at + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** The weight of a pixel at a distance: a triangle, or Keys's cubic (*Cubic Convolution Interpolation*, 1981). */
const triangle = (distance: number): number => Math.max(1 - Math.abs(distance), 0);

function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

function named<T>(call: Call, attribute: string, among: Readonly<Record<string, T>>, otherwise: string): T {
  const name = call.attributes.text(attribute, otherwise);
  const found = Object.hasOwn(among, name) ? among[name] : undefined;
  if (found) return found;
  throw call.error(`expected ${attribute} one of ${Object.keys(among).join(', ')}, got ${name}`);
}

/** What is added up at each place of the result. */
function matrixOf(call: Call, axis: Axis): SparseMatrix {
  const { from, to, scale } = axis;
  const place = named(call, 'coordinate_transformation_mode', PLACES, 'half_pixel');
  const mode = call.attributes.text('mode', 'nearest');
  const isCrop =
    call.attributes.text('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
  const termsAt = mode === 'nearest' ? nearestTerms(call, from) : weightedTerms(call, mode, from, scale);
  const rows = Array.from({ length: to }, (_, i) => {
    const at = place(i, axis);
    const isOutside = isCrop && (at < 0 || at > from - 1);
    if (isOutside && call.attributes.float('extrapolation_value', 0) !== 0) {
      throw call.error('expected an extrapolation_value of 0');
    }
    return isOutside ? [] : termsAt(at);
  });
  return { from, rows };
}

function nearestTerms(call: Call, from: number): (at: number) => Term[] {
  const round = named(call, 'nearest_mode', ROUNDINGS, 'round_prefer_floor');
  return (at) => [[Math.min(Math.max(round(at), 0), from - 1), 1]];
}

/** With `antialias`, an image that shrinks is seen through a filter as much wider. */
function weightedTerms(call: Call, mode: string, from: number, scale: number): (at: number) => Term[] {
  if (mode !== 'linear' && mode !== 'cubic') {
    throw call.error(`expected mode nearest, linear or cubic, got ${mode}`);
  }
  const a = call.attributes.float('cubic_coeff_a', -0.75);
  const weight = mode === 'linear' ? triangle : (distance: number) => cubic(distance, a);
  const isAntialiased = call.attributes.int('antialias', 0) !== 0;
  const leavesOutside = call.attributes.int('exclude_outside', 0) !== 0 || isAntialiased;
  const narrowed = isAntialiased ? Math.min(scale, 1) : 1;
  const radius = (mode === 'linear' ? 1 : 2) / narrowed;
  return (at) => {
    const weights = new Map<number, number>();
    for (let pixel = Math.ceil(at - radius); pixel <= Math.floor(at + radius); pixel++) {
      const isInside = pixel >= 0 && pixel < from;
      if (!isInside && leavesOutside) continue;
      const known = Math.min(Math.max(pixel, 0), from - 1);
      const each = weight((pixel - at) * narrowed);
      weights.set(known, (weights.get(known) ?? 0) + each);
    }
    let sum = 0;
    for (const each of weights.values()) sum += each;
    return [...weights].filter(([, each]) => each !== 0).map(([pixel, each]) => [pixel, each / sum]);
  };
}

/** The length of each resized axis, and its scale. */
function sizesOf(call: Call, lengths: readonly number[]): readonly { to: number; scale: number }[] {
  const scales = call.numbers(2, 'scales');
  if (scales && scales.length > 0) {
    expectCount(call, 'scales', scales, lengths);
    return lengths.map((from, i) => {
      const scale = expectAt(scales, i);
      return { to: Math.floor(from * scale + 1e-6), scale };
    });
  }
  const sizes = call.numbers(3, 'sizes') ?? [];
  expectCount(call, 'sizes', sizes, lengths);
  const policy = call.attributes.text('keep_aspect_ratio_policy', 'stretch');
  const ratios = lengths.map((from, i) => expectAt(sizes, i) / from);
  if (policy === 'stretch') return ratios.map((scale, i) => ({ to: expectAt(sizes, i), scale }));
  const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return lengths.map((from) => ({ to: Math.round(from * scale), scale }));
}

function expectCount(call: Call, what: string, got: readonly number[], lengths: readonly number[]): void {
  if (got.length === lengths.length) return;
  throw call.error(`expected ${lengths.length} ${what}, got ${got.length}`);
}

const resize: Lowering = (call) => {
  const { x, axis, result } = asItLies(call);
  const rank = x.shape.length;
  const given = call.attributes.ints('axes')?.map((each) => normalizeAxis(call.op, each, rank));
  const all = given ?? x.shape.map((_, i) => i);
  const roi = call.numbers(1, 'roi') ?? [];
  const known = all.filter((each) => typeof x.shape[axis(each)] === 'number');
  // An axis of the batch keeps its length, whatever it is.
  const lengths = all.map((each) =>
    known.includes(each) ? staticDim(x.shape[axis(each)], call.op, x.shape) : 1,
  );
  const sizes = sizesOf(call, lengths);
  const y = all.reduce<Value>((image, each, i) => {
    const [{ to, scale }, from] = [expectAt(sizes, i), expectAt(lengths, i)];
    if (to === from && scale === 1 && roi.length === 0) return image;
    if (!known.includes(each)) {
      if (to === 1 && scale === 1) return image;
      throw call.error('expected the batch to keep its length');
    }
    const crop = [roi[i] ?? 0, roi[i + all.length] ?? 1] as const;
    return sparseRows(image, axis(each), matrixOf(call, { from, to, scale, crop }));
  }, x);
  return [result(y)];
};

export const RESIZE: Lowerings = { Resize: resize };
