/**
 * Which operations AutoAugment (Cubuk et al., *AutoAugment: Learning Augmentation Strategies from Data*, CVPR 2019) and
 * RandAugment (Cubuk et al. 2020) apply to an image, with torchvision's tables and magnitudes. Pure: also for browsers.
 */
import type { ImageShape } from '../augment.ts';
import { OPERATIONS, type OperationName } from './operations.ts';

/** What draws are taken from: `Random`, or numbers that a test chooses. */
export interface Draws {
  /** In [0, 1). */
  uniform(): number;
  /** A whole number in [0, bound). */
  integer(bound: number): number;
}

export interface DrawnOperation {
  readonly name: OperationName;
  readonly magnitude: number;
}

/** Of each policy the 25 pairs: an operation, its chance, and its magnitude in ten steps. */
const POLICIES = {
  cifar: policy(`
    Invert 0.1 0, Contrast 0.2 6
    Rotate 0.7 2, TranslateX 0.3 9
    Sharpness 0.8 1, Sharpness 0.9 3
    ShearY 0.5 8, TranslateY 0.7 9
    AutoContrast 0.5 0, Equalize 0.9 0
    ShearY 0.2 7, Posterize 0.3 7
    Color 0.4 3, Brightness 0.6 7
    Sharpness 0.3 9, Brightness 0.7 9
    Equalize 0.6 0, Equalize 0.5 0
    Contrast 0.6 7, Sharpness 0.6 5
    Color 0.7 7, TranslateX 0.5 8
    Equalize 0.3 0, AutoContrast 0.4 0
    TranslateY 0.4 3, Sharpness 0.2 6
    Brightness 0.9 6, Color 0.2 8
    Solarize 0.5 2, Invert 0.0 0
    Equalize 0.2 0, AutoContrast 0.6 0
    Equalize 0.2 0, Equalize 0.6 0
    Color 0.9 9, Equalize 0.6 0
    AutoContrast 0.8 0, Solarize 0.2 8
    Brightness 0.1 3, Color 0.7 0
    Solarize 0.4 5, AutoContrast 0.9 0
    TranslateY 0.9 9, TranslateY 0.7 9
    AutoContrast 0.9 0, Solarize 0.8 3
    Equalize 0.8 0, Invert 0.1 0
    TranslateY 0.7 9, AutoContrast 0.9 0`),
  imagenet: policy(`
    Posterize 0.4 8, Rotate 0.6 9
    Solarize 0.6 5, AutoContrast 0.6 0
    Equalize 0.8 0, Equalize 0.6 0
    Posterize 0.6 7, Posterize 0.6 6
    Equalize 0.4 0, Solarize 0.2 4
    Equalize 0.4 0, Rotate 0.8 8
    Solarize 0.6 3, Equalize 0.6 0
    Posterize 0.8 5, Equalize 1.0 0
    Rotate 0.2 3, Solarize 0.6 8
    Equalize 0.6 0, Posterize 0.4 6
    Rotate 0.8 8, Color 0.4 0
    Rotate 0.4 9, Equalize 0.6 0
    Equalize 0.0 0, Equalize 0.8 0
    Invert 0.6 0, Equalize 1.0 0
    Color 0.6 4, Contrast 1.0 8
    Rotate 0.8 8, Color 1.0 2
    Color 0.8 8, Solarize 0.8 7
    Sharpness 0.4 7, Invert 0.6 0
    ShearX 0.6 5, Equalize 1.0 0
    Color 0.4 0, Equalize 0.6 0
    Equalize 0.4 0, Solarize 0.2 4
    Solarize 0.6 5, AutoContrast 0.6 0
    Invert 0.6 0, Equalize 1.0 0
    Color 0.6 4, Contrast 1.0 8
    Equalize 0.8 0, Equalize 0.6 0`),
} as const;

interface PolicyOperation {
  readonly name: OperationName;
  readonly chance: number;
  readonly level: number;
}

/** The magnitudes of an operation run evenly from one number to the other; with `isSigned` half of them are negated. */
interface Magnitudes {
  readonly from: number;
  readonly to: number;
  readonly isSigned?: boolean;
}

const NONE: Magnitudes = { from: 0, to: 0 };
const SHEAR: Magnitudes = { from: 0, to: 0.3, isSigned: true };
const ENHANCE: Magnitudes = { from: 0, to: 0.9, isSigned: true };
/** The largest translation, as a share of a side: 150 pixels of 331, the side of the paper's images. */
const FARTHEST = 150 / 331;

/** In the order from which RandAugment draws. */
const MAGNITUDES: Readonly<Record<OperationName, (shape: ImageShape) => Magnitudes>> = {
  Identity: () => NONE,
  ShearX: () => SHEAR,
  ShearY: () => SHEAR,
  TranslateX: ({ width }) => ({ from: 0, to: FARTHEST * width, isSigned: true }),
  TranslateY: ({ height }) => ({ from: 0, to: FARTHEST * height, isSigned: true }),
  Rotate: () => ({ from: 0, to: 30, isSigned: true }),
  Brightness: () => ENHANCE,
  Color: () => ENHANCE,
  Contrast: () => ENHANCE,
  Sharpness: () => ENHANCE,
  Posterize: () => ({ from: 8, to: 4 }),
  Solarize: () => ({ from: 255, to: 0 }),
  AutoContrast: () => NONE,
  Equalize: () => NONE,
  Invert: () => NONE,
};
const ALL: readonly OperationName[] = Object.keys(MAGNITUDES).filter(isOperation);
/** Invert is in AutoAugment's search space only. */
const RANDOM_OPERATIONS = ALL.filter((name) => name !== 'Invert');

/** AutoAugment's draw for one image: a pair of the policy, each with its chance, and their signs. */
export function drawAutoAugment(
  policyName: keyof typeof POLICIES,
  shape: ImageShape,
  draws: Draws,
): DrawnOperation[] {
  const pairs = POLICIES[policyName];
  const pair = pairs[draws.integer(pairs.length)] ?? [];
  const chances = pair.map(() => draws.uniform());
  const signs = pair.map(() => draws.integer(2));
  return pair.flatMap(({ name, chance, level }, i) =>
    (chances[i] ?? 1) <= chance ? [operation(name, shape, level, 10, signs[i] === 0)] : [],
  );
}

/** RandAugment's draw for one image: `n` of 14 operations, each of magnitude `m` in 0 … 30, and their signs. */
export function drawRandAugment(
  { n, m }: { readonly n: number; readonly m: number },
  shape: ImageShape,
  draws: Draws,
): DrawnOperation[] {
  return Array.from({ length: n }, () => {
    const name = RANDOM_OPERATIONS[draws.integer(RANDOM_OPERATIONS.length)] ?? 'Identity';
    const { isSigned = false } = MAGNITUDES[name](shape);
    return operation(name, shape, m, 31, isSigned && draws.integer(2) === 1);
  });
}

function operation(
  name: OperationName,
  shape: ImageShape,
  level: number,
  levels: number,
  isNegative: boolean,
): DrawnOperation {
  const { from, to, isSigned = false } = MAGNITUDES[name](shape);
  const even = evenly(from, to, level, levels);
  // Bits, which are whole: of a half, the even one.
  const magnitude = name === 'Posterize' ? 8 - halfToEven((4 * level) / (levels - 1)) : even;
  return { name, magnitude: isSigned && isNegative ? -magnitude : magnitude };
}

/** Number `i` of torch.linspace, in float32 and from the nearer end as there. */
function evenly(from: number, to: number, i: number, count: number): number {
  const step = Math.fround(Math.fround(Math.fround(to) - Math.fround(from)) / (count - 1));
  return i < Math.floor(count / 2)
    ? Math.fround(Math.fround(from) + Math.fround(step * i))
    : Math.fround(Math.fround(to) - Math.fround(step * (count - i - 1)));
}

export function halfToEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

function policy(text: string): readonly (readonly PolicyOperation[])[] {
  return text
    .trim()
    .split('\n')
    .map((line) =>
      line
        .trim()
        .split(', ')
        .map((part) => {
          const [name = '', chance, level] = part.split(' ');
          if (!isOperation(name)) throw new Error(`internal: no operation ${name}`);
          return { name, chance: Number(chance), level: Number(level) };
        }),
    );
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}
