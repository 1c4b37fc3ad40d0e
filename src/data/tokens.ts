/** Texts as tokens: 0 is padding and 1 an unknown token, in every vocabulary. Pure: also for browsers. */
import * as v from 'valibot';
import { counted } from '../counted.ts';
import { nearestName, show, UserError } from '../errors.ts';
import { TOKEN_KINDS } from '../tasks/input-forms.ts';
import type { Fields } from '../tasks/task.ts';
import { arraysDataset } from './arrays.ts';
import type { Dataset, DatasetSource, Json } from './dataset.ts';
import { parseOptions } from './options.ts';
import { indicesInUse } from './subset.ts';

export const UNKNOWN = 1;
/** The first number that is a token of the text. */
const FIRST = 2;

const size = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));

const Texts = v.strictObject({
  /**
   * `bytes`: the UTF-8 bytes, byte b is token b + 2, 258 in all. `words`: the most frequent words of the training texts.
   * `given`: the lines have `tokens`, numbers of another tokenizer, in place of `text`.
   */
  tokens: v.optional(v.picklist(TOKEN_KINDS), 'bytes'),
  /** How many different tokens there are, with padding and unknown: for `words` and `given`. */
  vocabulary: v.optional(size(FIRST + 1)),
  /** Whether words are made lower case first. */
  lowercase: v.optional(v.boolean(), true),
  /** Tokens of an example. Longer texts are cut, shorter ones padded at the end. By default what the task reads. */
  length: v.optional(size(1)),
  /** The share of the texts to test with, where they are in one file: the same texts in every run. */
  testShare: v.optional(v.pipe(v.number(), v.gtValue(0), v.ltValue(1)), 0.2),
});
export type TextOptions = v.InferOutput<typeof Texts>;

export function parseTextOptions(options: unknown, origin: string): TextOptions {
  const parsed = parseOptions(Texts, options, origin);
  const { tokens, vocabulary } = parsed;
  if (tokens === 'bytes' && vocabulary !== undefined) {
    throw new UserError(`${origin}: vocabulary: bytes have 258 tokens: leave it out`);
  }
  if (tokens !== 'bytes' && vocabulary === undefined) {
    throw new UserError(`${origin}: vocabulary: expected how many tokens there are, for tokens: ${tokens}`);
  }
  return parsed;
}

/** A text, or the tokens that another tokenizer made of it. */
export interface LabelledText {
  readonly text: string | readonly number[];
  readonly label: string;
  /** File, and line if there are several, for errors. */
  readonly place: string;
}

/** What makes tokens of a text. */
export interface Tokenizer {
  /** Tokens are integers in [0, vocabulary). */
  readonly vocabulary: number;
  readonly about: Readonly<Record<string, Json>>;
  encode(text: string): readonly number[];
}

export function byteTokenizer(): Tokenizer {
  const encoder = new TextEncoder();
  return {
    vocabulary: FIRST + 256,
    about: { tokens: 'bytes', vocabulary: FIRST + 256 },
    encode: (text) => Array.from(encoder.encode(text), (byte) => byte + FIRST),
  };
}

/** Runs of letters, marks, digits and apostrophes; every other character that is no space by itself. */
const WORD = /[\p{L}\p{M}\p{N}'’]+|[^\s\p{L}\p{M}\p{N}'’]/gu;

/** The `vocabulary` − 2 most frequent words of the texts; among words as frequent, the first by code units. */
export function wordTokenizer(
  texts: Iterable<string>,
  vocabulary: number,
  { lowercase = true }: { readonly lowercase?: boolean } = {},
): Tokenizer {
  const wordsOf = (text: string) => (lowercase ? text.toLowerCase() : text).match(WORD) ?? [];
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = [...counts]
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .slice(0, vocabulary - FIRST)
    .map(([word]) => word);
  const numberOf = new Map(words.map((word, i) => [word, i + FIRST]));
  return {
    vocabulary,
    about: { tokens: 'words', vocabulary, lowercase, words },
    encode: (text) => wordsOf(text).map((word) => numberOf.get(word) ?? UNKNOWN),
  };
}

function tokenizerOf(
  { tokens, vocabulary = 0, lowercase }: TextOptions,
  train: readonly LabelledText[],
  inUse: Uint32Array,
): Tokenizer {
  if (tokens === 'bytes') return byteTokenizer();
  if (tokens === 'words') {
    const texts = Array.from(inUse, (index) => train[index]?.text).filter((text) => typeof text === 'string');
    return wordTokenizer(texts, vocabulary, { lowercase });
  }
  return { vocabulary, about: { tokens, vocabulary }, encode: () => [] };
}

/** The parts of a corpus. */
export interface Corpus {
  readonly name: string;
  readonly train: readonly LabelledText[];
  readonly test: readonly LabelledText[];
  readonly validation?: readonly LabelledText[];
  /** Where it was found. */
  readonly where: string;
}

/**
 * A corpus as a dataset: `tokens` int32 [length], `labels` int32 []. Classes are the sorted labels of the training
 * texts. Throws a UserError that names the place of an empty text, a token out of range, or an unknown label.
 */
export function textDataset(
  { name, train, test, validation, where }: Corpus,
  options: TextOptions,
  source: Pick<DatasetSource, 'fields' | 'trainFraction' | 'holdOut'>,
): Dataset {
  const length = options.length ?? source.fields?.tokens?.shape[0];
  if (length === undefined) {
    throw new UserError(`${name}: options: length: expected the number of tokens of an example`);
  }
  const classes = [...new Set(train.map(({ label }) => label))].sort();
  const labels = labelsOf(train, classes);
  const inUse = indicesInUse({ length: train.length, strata: labels }, source);
  const tokenizer = tokenizerOf(options, train, inUse);
  const part = (texts: readonly LabelledText[]) =>
    encoded(texts, tokenizer, length, labelsOf(texts, classes));
  const [trained, tested, validated] = [train, test, ...(validation ? [validation] : [])].map(part);
  if (!trained || !tested) throw new Error('internal: a corpus without its splits');
  const all = (texts: readonly unknown[], kind: string) => counted(texts.length, `${kind} text`);
  return {
    name,
    fields: trained.fields,
    found: `found ${all(train, 'training')}${validation ? `, ${all(validation, 'validation')}` : ''} and ${all(test, 'test')} in ${where}, of ${classes.length} classes: ${counted(tokenizer.vocabulary, 'token')}`,
    about: { classes, length, ...tokenizer.about },
    bytes: trained.bytes + tested.bytes + (validated?.bytes ?? 0),
    train: trained.train,
    test: tested.train,
    ...(validated && { validation: validated.train }),
  };
}

function labelsOf(texts: readonly LabelledText[], classes: readonly string[]): Int32Array {
  const numbers = new Map(classes.map((name, i) => [name, i]));
  return Int32Array.from(texts, ({ label, place }) => {
    const number = numbers.get(label);
    if (number !== undefined) return number;
    const nearest = nearestName(label, classes);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw new UserError(`${place}: label ${show(label)}: no training text has it${hint}`);
  });
}

function encoded(
  texts: readonly LabelledText[],
  tokenizer: Tokenizer,
  length: number,
  labels: Int32Array,
): Dataset {
  const tokens = new Int32Array(texts.length * length); // padded with 0
  texts.forEach(({ text, place }, i) => {
    const all = typeof text === 'string' ? tokenizer.encode(text) : text;
    if (all.length === 0 || (typeof text === 'string' && text.trim() === '')) {
      throw new UserError(`${place}: expected a text, got an empty one; remove it`);
    }
    if (typeof text !== 'string') expectTokens(text, tokenizer.vocabulary, place);
    tokens.set(all.slice(0, length), i * length);
  });
  const fields: Fields = {
    tokens: { dtype: 'int32', shape: [length] },
    labels: { dtype: 'int32', shape: [] },
  };
  return arraysDataset({ tokens, labels }, { fields, strata: 'labels' });
}

function expectTokens(tokens: readonly number[], vocabulary: number, place: string): void {
  const wrong = tokens.findIndex((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
  if (wrong < 0) return;
  throw new UserError(
    `${place}: token ${wrong} is ${show(tokens[wrong])}, expected an integer from 0 to ${vocabulary - 1}; correct it, or set \`vocabulary\``,
  );
}
