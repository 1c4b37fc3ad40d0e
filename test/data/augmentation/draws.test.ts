import test from 'ava';
import { drawRectangle, drawRegion } from '../../../src/data/augmentation/crop.ts';
import { boxAround, drawErased } from '../../../src/data/augmentation/erase.ts';
import { beta } from '../../../src/data/augmentation/mix.ts';
import { type Draws, drawAutoAugment, drawRandAugment } from '../../../src/data/augmentation/policies.ts';
import { Random } from '../../../src/random.ts';

/** Draws that are given: uniform numbers, and integers modulo their bound. */
function given(uniforms: readonly number[], integers: readonly number[]): Draws {
  const [us, is] = [[...uniforms], [...integers]];
  return { uniform: () => us.shift() ?? 0, integer: (bound) => (is.shift() ?? 0) % bound };
}

const CROP = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;
const LARGE = { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } as const;
const many = (pair: readonly number[]): number[] => Array.from({ length: 10 }, () => pair).flat();

/**
 * Of RandomResizedCrop.get_params(Image.new('RGB', (w, h)), scale, ratio) and RandomErasing.get_params of torchvision
 * 0.29.1, with torch.empty(1).uniform_(a, b) and torch.randint replaced by the draws that are given here.
 */
test('the part of a random-resized-crop is torchvision’s for the same draws', (t) => {
  const part = (width: number, height: number, how: typeof CROP | typeof LARGE, draws: Draws) => {
    const { top, left, width: w, height: h } = drawRegion({ width, height }, how, draws);
    return [top, left, h, w];
  };
  t.deepEqual(part(500, 375, CROP, given([0.5, 0.5], [20, 30])), [20, 30, 318, 318]);
  t.deepEqual(part(500, 375, CROP, given([0.2, 0.9], [5, 6])), [5, 6, 198, 250]);
  t.deepEqual(part(500, 375, CROP, given([1, 1, 0.9, 0.1], [7, 8])), [0, 0, 375, 500]);
  // None of ten tries fits: the middle, in the nearest aspect ratio that is allowed.
  t.deepEqual(part(500, 100, LARGE, given(many([0.99, 0.5]), [])), [0, 183, 100, 133]);
  t.deepEqual(part(100, 300, LARGE, given(many([0.99, 0.5]), [])), [83, 0, 133, 100]);
  t.deepEqual(part(100, 110, LARGE, given(many([1, 1]), [])), [0, 0, 110, 100]);
});

test('the rectangle of random erasing is torchvision’s for the same draws', (t) => {
  const usual = { scale: [0.02, 0.33], ratio: [0.3, 3.3] } as const;
  const part = (width: number, height: number, how: typeof usual, draws: Draws) => {
    const region = drawRectangle({ width, height }, how, draws);
    return region && [region.top, region.left, region.height, region.width];
  };
  t.deepEqual(part(32, 32, usual, given([0.5, 0.5], [3, 4])), [3, 4, 13, 13]);
  t.deepEqual(part(32, 48, usual, given([0.9, 0.2], [3, 4])), [3, 0, 15, 31]);
  const tall = { scale: [0.9, 1], ratio: [3, 3.3] } as const;
  t.is(drawRectangle({ width: 32, height: 32 }, tall, given(many([0.9, 0.2]), [])), undefined);
});

test('cutout’s square is clipped at the border, as np.clip(y ± size // 2, 0, h) does', (t) => {
  // github.com/uoguelph-mlrg/Cutout, util/cutout.py: rows y1 … y2, columns x1 … x2.
  const shape = { channels: 3, height: 32, width: 32 };
  const box = (y: number, x: number, size: number) => boxAround(y, x, size, size, shape);
  t.deepEqual(box(16, 10, 8), { top: 12, left: 6, height: 8, width: 8 });
  t.deepEqual(box(1, 31, 8), { top: 0, left: 27, height: 5, width: 5 });
  t.deepEqual(box(0, 0, 9), { top: 0, left: 0, height: 4, width: 4 });
  t.deepEqual(
    drawErased({ step: 'cutout', size: 8, per: 'image' }, shape, given([], [16, 10])),
    box(16, 10, 8),
  );
  const scale: [number, number] = [0.02, 0.33];
  const ratio: [number, number] = [0.3, 3.3];
  const step = { step: 'random-erasing', p: 0.4, scale, ratio } as const;
  t.is(drawErased(step, shape, given([0.4], [])), undefined);
  t.not(drawErased(step, shape, given([0.39, 0.5, 0.5], [3, 4])), undefined);
});

const SHAPE = { channels: 3, height: 32, width: 48 };

test('AutoAugment takes a pair of the policy, each operation with its chance and sign', (t) => {
  // AutoAugment(AutoAugmentPolicy.CIFAR10).policies[1]: Rotate 0.7 2, TranslateX 0.3 9; of 48 columns 150/331·48.
  const draw = (uniforms: readonly number[], integers: readonly number[]) =>
    drawAutoAugment('cifar', SHAPE, given(uniforms, integers)).map(({ name, magnitude }) => [
      name,
      Number(magnitude.toFixed(5)),
    ]);
  t.deepEqual(draw([0.7, 0.3], [1, 1, 0]), [
    ['Rotate', 6.66667],
    ['TranslateX', -21.75227],
  ]);
  t.deepEqual(draw([0.71, 0.31], [1, 1, 0]), []);
  t.deepEqual(draw([0.5, 0.3], [5, 0, 0]), [['Posterize', 5]]);
  const [imagenet] = drawAutoAugment('imagenet', SHAPE, given([0.4, 0.6], [0, 0, 0]));
  t.deepEqual(imagenet, { name: 'Posterize', magnitude: 4 });
});

/** RandAugment()._augmentation_space(31, (32, 48)) at 1, 4 and 8, each positive. */
const SPACE = {
  Identity: [0, 0, 0],
  ShearX: [0.01, 0.04, 0.08],
  ShearY: [0.01, 0.04, 0.08],
  TranslateX: [0.725076, 2.900302, 5.800604],
  TranslateY: [0.483384, 1.933535, 3.867069],
  Rotate: [1, 4, 8],
  Brightness: [0.03, 0.12, 0.24],
  Color: [0.03, 0.12, 0.24],
  Contrast: [0.03, 0.12, 0.24],
  Sharpness: [0.03, 0.12, 0.24],
  Posterize: [8, 7, 7],
  Solarize: [246.5, 221, 187],
  AutoContrast: [0, 0, 0],
  Equalize: [0, 0, 0],
};

test('RandAugment’s operations and magnitudes are torchvision’s', (t) => {
  Object.entries(SPACE).forEach(([expected, magnitudes], number) => {
    [1, 4, 8].forEach((m, i) => {
      const [one] = drawRandAugment({ n: 1, m }, SHAPE, given([], [number, 0]));
      t.deepEqual([one?.name, Number(one?.magnitude.toFixed(6))], [expected, magnitudes[i]]);
    });
  });
  const [negative] = drawRandAugment({ n: 2, m: 10 }, SHAPE, given([], [5, 1, 0, 0]));
  t.deepEqual(negative, { name: 'Rotate', magnitude: -10 });
});

/** The share of draws below each x, against the distribution function: the test of Kolmogorov and Smirnov. */
function distance(draws: readonly number[], cdf: (x: number) => number): number {
  const sorted = draws.toSorted((a, b) => a - b);
  return Math.max(...sorted.map((x, i) => Math.abs(cdf(x) - (i + 0.5) / sorted.length)));
}

test('λ is drawn from Beta(α, α)', (t) => {
  const count = 4000;
  const draws = (alpha: number) => {
    const random = new Random(5, 'mix', 1, 2);
    return Array.from({ length: count }, () => beta(random, alpha));
  };
  const limit = 1.95 / Math.sqrt(count); // passed by one sample of a thousand
  t.true(distance(draws(1), (x) => x) < limit);
  t.true(distance(draws(0.5), (x) => (2 / Math.PI) * Math.asin(Math.sqrt(x))) < limit);
  t.true(distance(draws(2), (x) => 3 * x ** 2 - 2 * x ** 3) < limit);
  for (const alpha of [0.001, 0.2, 30]) {
    const all = draws(alpha);
    t.true(all.every((x) => x >= 0 && x <= 1));
    const variance = all.reduce((sum, x) => sum + (x - 0.5) ** 2, 0) / count;
    const expected = 1 / (4 * (2 * alpha + 1));
    t.true(Math.abs(variance / expected - 1) < 0.08, `${alpha}: ${variance} of ${expected}`);
  }
});
