/**
 * What training images go through, as data: a list of named steps, as a spec, a config and the command line give it. How
 * each step is computed is in src/data/augmentation. Pure: also for browsers.
 */
import * as v from 'valibot';
import { mismatch, nearestName, show, UserError } from '../errors.ts';

const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const integer = (least: number, most: number) =>
  v.pipe(v.number(), v.integer('expected a whole number'), v.minValue(least), v.maxValue(most));
/** Two numbers, the smaller one first. */
const range = (least: number, most: number) =>
  v.pipe(
    v.tuple([
      v.pipe(v.number(), v.minValue(least), v.maxValue(most)),
      v.pipe(v.number(), v.minValue(least), v.maxValue(most)),
    ]),
    v.check(([from, to]) => from <= to, 'expected the smaller number first'),
  );
const SMALLEST = 1e-3;
const alpha = v.pipe(v.number(), v.minValue(SMALLEST), v.maxValue(1000));
/** With which image of its batch an image is mixed: the one as far from the end, or one of a random order. */
const partner = v.optional(v.picklist(['reversed', 'permuted']), 'reversed');

const step = <Name extends string, Entries extends v.ObjectEntries>(name: Name, parameters: Entries) =>
  v.strictObject({ step: v.literal(name), ...parameters });

/** The steps by their names, each with its parameters in the order in which a text gives them. */
const SCHEMAS = {
  /** Adds pixels on each side, black or mirrored without the edge itself, and crops the old size at random. */
  'pad-crop': step('pad-crop', {
    pad: v.optional(integer(1, 4096), 4),
    mode: v.optional(v.picklist(['constant', 'reflect']), 'constant'),
  }),
  /** A part of the image, a share of its area and of an aspect ratio, resized to the old size (Szegedy et al. 2015). */
  'random-resized-crop': step('random-resized-crop', {
    scale: v.optional(range(SMALLEST, 1), [0.08, 1]),
    ratio: v.optional(range(SMALLEST, 1000), [3 / 4, 4 / 3]),
  }),
  /** Mirrors with chance 1/2. */
  flip: step('flip', {}),
  /** AutoAugment (Cubuk et al., CVPR 2019): two operations, by a policy that was found on a dataset. */
  'auto-augment': step('auto-augment', { policy: v.optional(v.picklist(['cifar', 'imagenet']), 'cifar') }),
  /** RandAugment (Cubuk et al. 2020): `n` operations of magnitude `m`, of 30. */
  'rand-augment': step('rand-augment', {
    n: v.optional(integer(1, 16), 2),
    m: v.optional(integer(0, 30), 9),
  }),
  /** A square of side `size` becomes 0, the mean, around a random pixel (DeVries & Taylor 2017). */
  cutout: step('cutout', {
    size: v.optional(integer(1, 4096), 16),
    /** `batch`: the same square for all images of a batch. */
    per: v.optional(v.picklist(['image', 'batch']), 'image'),
  }),
  /** With chance `p` a rectangle becomes 0, the mean (Zhong et al., AAAI 2020). */
  'random-erasing': step('random-erasing', {
    p: v.optional(share, 0.5),
    scale: v.optional(range(0, 1), [0.02, 0.33]),
    ratio: v.optional(range(SMALLEST, 1000), [0.3, 3.3]),
  }),
  /** Images and labels of a batch mixed in pairs with a share λ ~ Beta(α, α) (Zhang et al., ICLR 2018). */
  mixup: step('mixup', { alpha: v.optional(alpha, 0.2), partner }),
  /** A box of one image in another, and labels mixed by its area; 1 − area ~ Beta(α, α) (Yun et al., ICCV 2019). */
  cutmix: step('cutmix', { alpha: v.optional(alpha, 1), partner }),
} as const;

type StepName = keyof typeof SCHEMAS;
/** One step of a list, with its defaults filled in. */
export type AugmentationStep = v.InferOutput<(typeof SCHEMAS)[StepName]>;
type StepOf<Name extends StepName> = Extract<AugmentationStep, { readonly step: Name }>;

export const STEP_NAMES: readonly StepName[] = Object.keys(SCHEMAS).filter(isStepName);

/** Steps of bytes, of normalised numbers, and of whole batches: a list has them in this order. */
const STAGES: Readonly<Record<StepName, readonly [number, string]>> = {
  'pad-crop': [0, 'bytes'],
  'random-resized-crop': [0, 'bytes'],
  flip: [0, 'bytes'],
  'auto-augment': [0, 'bytes'],
  'rand-augment': [0, 'bytes'],
  cutout: [1, 'normalised images'],
  'random-erasing': [1, 'normalised images'],
  mixup: [2, 'whole batches'],
  cutmix: [2, 'whole batches'],
};
export type ByteStep = StepOf<'pad-crop' | 'random-resized-crop' | 'flip' | 'auto-augment' | 'rand-augment'>;
export type ErasingStep = StepOf<'cutout' | 'random-erasing'>;
export type MixingStep = StepOf<'mixup' | 'cutmix'>;

/** Short names of lists. */
const LISTS = {
  none: [],
  crop: [{ step: 'pad-crop', pad: 4, mode: 'constant' }],
  'crop-flip': [{ step: 'pad-crop', pad: 4, mode: 'constant' }, { step: 'flip' }],
} as const satisfies Readonly<Record<string, readonly AugmentationStep[]>>;
type AugmentationName = keyof typeof LISTS;

export const AUGMENTATION_NAMES: readonly AugmentationName[] = Object.keys(LISTS).filter(isListName);

/** A short name of a list, a list, or `auto`: that of the graph's spec or, without one, what suits the dataset. */
export type Augmentation = AugmentationName | 'auto' | readonly AugmentationStep[];

/** How a person writes it, for help and errors. */
export const AUGMENTATION_FORMS = `auto, ${AUGMENTATION_NAMES.join(', ')}, or steps such as pad-crop:4:reflect,flip,cutout:16`;

function isListName(name: string): name is AugmentationName {
  return Object.hasOwn(LISTS, name);
}

function isStepName(name: unknown): name is StepName {
  return typeof name === 'string' && Object.hasOwn(SCHEMAS, name);
}

/**
 * Reads what a person gave: a short name, a text of steps with their parameters in order, `pad-crop:4:reflect,flip`, or a
 * list `[{"step": "cutout", "size": 16}]`. Throws a UserError that begins with `where` for a name or parameter that is
 * none, and for steps out of order.
 */
export function parseAugmentation(given: unknown, where: string): Augmentation {
  if (typeof given === 'string') {
    if (given === 'auto' || isListName(given)) return given;
    return inOrder(
      given.split(',').map((text, i) => parseStep(stepOfText(text.trim(), where), placeOf(where, i))),
      where,
    );
  }
  if (!Array.isArray(given)) {
    throw new UserError(`${where}: expected ${AUGMENTATION_FORMS}, or a list of steps, got ${show(given)}`);
  }
  return inOrder(
    given.map((step: unknown, i) => parseStep(step, placeOf(where, i))),
    where,
  );
}

/** The steps of an augmentation that is not `auto`. */
export function stepsOf(augmentation: Exclude<Augmentation, 'auto'>): readonly AugmentationStep[] {
  return typeof augmentation === 'string' ? LISTS[augmentation] : augmentation;
}

/** Whether a list mixes the labels of a batch, which then are distributions over the classes. */
export function mixesLabels(steps: readonly AugmentationStep[]): boolean {
  return steps.some((step) => isMixing(step));
}

/** The steps of bytes, of normalised images and of batches, each in their order. */
export function byStage(steps: readonly AugmentationStep[]) {
  return {
    bytes: steps.filter(isByteStep),
    erasing: steps.filter(isErasing),
    mixing: steps.filter(isMixing),
  };
}

function isByteStep(step: AugmentationStep): step is ByteStep {
  return STAGES[step.step][0] === 0;
}

function isErasing(step: AugmentationStep): step is ErasingStep {
  return STAGES[step.step][0] === 1;
}

function isMixing(step: AugmentationStep): step is MixingStep {
  return STAGES[step.step][0] === 2;
}

/** The text that `parseAugmentation` reads as the same augmentation, without the parameters that are defaults at the end. */
export function augmentationText(augmentation: Augmentation): string {
  if (typeof augmentation === 'string') return augmentation;
  if (augmentation.length === 0) return 'none';
  return augmentation.map(stepText).join(',');
}

function stepText(step: AugmentationStep): string {
  const defaults: Readonly<Record<string, unknown>> = parseStep({ step: step.step }, '');
  const values = Object.entries(step).filter(([name]) => name !== 'step');
  while (values.length > 0) {
    const [name = '', value] = values.at(-1) ?? [];
    if (String(defaults[name]) !== String(value)) break;
    values.pop();
  }
  return [step.step, ...values.map(([, value]) => (Array.isArray(value) ? value.join('-') : value))].join(
    ':',
  );
}

/** `cutout:16:batch` as `{ step, size, per }`. A parameter may also be named: `cutout:per=batch`. */
function stepOfText(text: string, where: string): Record<string, unknown> {
  const [step = '', ...values] = text.split(':');
  if (!isStepName(step)) throw unknownStep(step, where, text);
  const names = parametersOf(step);
  const given: Record<string, unknown> = { step };
  values.forEach((value, i) => {
    const [, named, rest] = /^([a-z]+)=(.*)$/i.exec(value) ?? [];
    const name = named ?? names[i];
    if (name === undefined) {
      const most = names.length === 0 ? 'no parameters' : `at most ${names.join(', ')}`;
      throw new UserError(`${where}: ${step}: expected ${most}, got ${show(value)} as well`);
    }
    given[name] = parseValue(rest ?? value);
  });
  return given;
}

function parametersOf(step: StepName): string[] {
  return Object.keys(SCHEMAS[step].entries).filter((name) => name !== 'step');
}

const NUMBER = /^\d*\.?\d+(e-?\d+)?$/i;

function parseValue(text: string): unknown {
  if (NUMBER.test(text)) return Number(text);
  const [, from = '', to = ''] = /^([\d.]+)-([\d.]+)$/.exec(text) ?? [];
  return NUMBER.test(from) && NUMBER.test(to) ? [Number(from), Number(to)] : text;
}

function parseStep(given: unknown, where: string): AugmentationStep {
  const name: unknown = typeof given === 'object' && given !== null ? Reflect.get(given, 'step') : undefined;
  if (!isStepName(name)) throw unknownStep(name, where, given);
  const schema: v.GenericSchema<unknown, AugmentationStep> = SCHEMAS[name];
  const result = v.safeParse(schema, given, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const names = parametersOf(name);
    const known = names.length === 0 ? 'no parameters' : names.join(', ');
    throw new UserError(`${where}: ${name}: ${path}: unknown parameter; expected ${known}`);
  }
  throw new UserError(`${where}: ${name}: ${path}: ${mismatch(issue)}`);
}

function unknownStep(name: unknown, where: string, given: unknown): UserError {
  const nearest =
    typeof name === 'string' ? nearestName(name, [...AUGMENTATION_NAMES, ...STEP_NAMES]) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return new UserError(
    `${where}: expected a step (${STEP_NAMES.join(', ')}) or one of ${AUGMENTATION_NAMES.join(', ')}, got ${show(name ?? given)}${hint}`,
  );
}

function placeOf(where: string, index: number): string {
  return `${where}: step ${index + 1}`;
}

function inOrder(steps: readonly AugmentationStep[], where: string): readonly AugmentationStep[] {
  steps.forEach(({ step }, i) => {
    const before = steps[i - 1];
    if (!before || STAGES[before.step][0] <= STAGES[step][0]) return;
    throw new UserError(
      `${where}: step ${i + 1}: ${step} works on ${STAGES[step][1]} and ${before.step} before it on ${STAGES[before.step][1]}: put ${step} before ${before.step}`,
    );
  });
  return steps;
}
