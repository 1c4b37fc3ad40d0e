/** What the page for a file of one's own calls things. Pure. */
import { IMAGENET_STATISTICS, type Normalization } from '../../data/augment.ts';
import type { Choices } from './messages.ts';

type Labels<K extends keyof Choices> = Readonly<Record<Extract<Choices[K], string>, string>>;

export const WHAT_LABELS: Labels<'what'> = {
  head: 'the head: a new last layer with the classes of the data',
  all: 'everything',
  pattern: 'the parameters whose names a pattern finds',
  lora: 'low-rank adapters (LoRA) where a pattern finds a product',
};
export const LOSS_LABELS: Labels<'loss'> = {
  'cross-entropy': 'cross-entropy: one of several classes',
  bce: 'binary cross-entropy: one logit, two classes',
  'next-token': 'next token: a language model',
};
export const NORMALIZATION_LABELS: Labels<'normalization'> = {
  imagenet: 'ImageNet’s mean and deviation',
  unit: '0 to 1',
  signed: '−1 to 1',
  none: 'none: 0 to 255',
};
export const ORDER_LABELS: Labels<'order'> = { rgb: 'RGB', bgr: 'BGR' };
export const TOKEN_LABELS: Labels<'tokens'> = {
  bytes: 'bytes: byte b is token b + 2',
  words: 'words: the most frequent of the text',
  given: 'numbers: the text holds the tokens',
};

/** Mean and deviation of each channel, for pixels on the scale 0 to 1. */
export function statisticsOf(normalization: Choices['normalization'], channels: 1 | 3): Normalization {
  const each = (x: number): number[] => Array.from({ length: channels }, () => x);
  if (normalization === 'imagenet') return IMAGENET_STATISTICS[channels];
  if (normalization === 'signed') return { mean: each(0.5), std: each(0.5) };
  return { mean: each(0), std: each(normalization === 'none' ? 1 / 255 : 1) };
}

/** What messages call by flags, as the form calls it. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^import: /, ''],
  [/--trainable/g, 'pattern'],
  [/--lora/g, 'pattern'],
  [/--classes/g, 'new last layer'],
  [/--loss/g, 'loss'],
  [/--output/g, 'output'],
  [/--adapters/g, 'adapters'],
  [/ \(--merge\)/g, ''],
];

/** A message of the importer in the words of the page. */
export function inPageWords(message: string): string {
  return WORDS.reduce((text, [flag, word]) => text.replace(flag, word), message);
}
