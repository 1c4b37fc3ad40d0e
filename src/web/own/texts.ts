/** A text file as examples: lines with labels, or one long text in pieces. Pure. */
import { counted } from '../../counted.ts';
import type { Dataset } from '../../data/dataset.ts';
import { partsOf } from '../../data/parts.ts';
import { jsonLines } from '../../data/text-lines.ts';
import { byteTokenizer, type LabelledText, textDataset, wordTokenizer } from '../../data/tokens.ts';
import { UserError } from '../../errors.ts';
import type { Choices, DataCard } from './messages.ts';

export interface TextFile {
  readonly kind: 'texts';
  readonly name: string;
  readonly content: string;
}

export interface TextOptions extends Pick<Choices, 'loss' | 'tokens' | 'heldOut'> {
  /** How many tokens the file knows; undefined where it does not say it. */
  readonly vocabulary: number | undefined;
  /** Tokens of an example. */
  readonly length: number;
}

/** The file as examples. Throws UserError that names the line that is not right, and where the tokens are too many. */
export function readTexts(
  file: TextFile,
  { loss, tokens, heldOut, vocabulary, length }: TextOptions,
): Dataset {
  const { name } = file;
  if (tokens === 'words' && vocabulary === undefined)
    throw new UserError('tokens: the model does not say how many words it knows: take bytes or numbers');
  const bytes = byteTokenizer().vocabulary;
  if (tokens === 'bytes' && vocabulary !== undefined && vocabulary < bytes) {
    throw new UserError(
      `tokens: the model knows ${vocabulary}, and bytes are ${bytes}: take words, or numbers`,
    );
  }
  const isLanguage = loss === 'next-token';
  const texts = isLanguage ? pieces(file, { tokens, vocabulary, length }) : labelledLines(file, tokens);
  const classes = new Set(texts.map(({ label }) => label));
  if (!isLanguage && classes.size < 2) {
    throw new UserError(`${name}: expected two labels or more, got one: ${[...classes][0] ?? ''}`);
  }
  const [train, test] = partsOf(texts, ({ label }) => label, heldOut, 'held out');
  const known = tokens === 'bytes' ? {} : { vocabulary: vocabulary ?? MOST_TOKENS };
  return textDataset(
    { name, where: name, train, test },
    {
      ...{ lowercase: true, testShare: heldOut, length },
      // Pieces are tokens already.
      ...(isLanguage ? { tokens: 'given', vocabulary: vocabulary ?? MOST_TOKENS } : { tokens, ...known }),
    },
    {},
  );
}

/** More tokens than any tokenizer has. */
const MOST_TOKENS = 2 ** 24;

/** What the page tells of a file. Throws UserError for a line of JSON that is none, or has no label. */
export function aboutTexts(file: TextFile): DataCard {
  const size = counted(file.content.length, 'character');
  const isLabelled = isJson(file) || linesOf(file).every(({ line }) => line.includes('\t'));
  if (!isLabelled) return { text: `one text of ${size}`, classes: [] };
  const tokens = isJson(file) && file.content.includes('"tokens"') ? 'given' : 'bytes';
  const counts = new Map<string, number>();
  const lines = labelledLines(file, tokens);
  for (const { label } of lines) counts.set(label, (counts.get(label) ?? 0) + 1);
  return {
    text: `${counted(lines.length, 'line')} in ${counts.size} classes, ${size}`,
    classes: [...counts].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

const isJson = ({ name }: TextFile): boolean => /\.(jsonl|ndjson)$/i.test(name);

function linesOf({ name, content }: TextFile): { readonly line: string; readonly place: string }[] {
  const lines = content.split(/\r?\n/).map((line, i) => ({ line, place: `${name}:${i + 1}` }));
  return lines.filter(({ line }) => line.trim() !== '');
}

/** `label<TAB>text`, or lines of JSON as `ortgrad train` reads them. */
function labelledLines(file: TextFile, tokens: Choices['tokens']): LabelledText[] {
  if (isJson(file)) {
    return jsonLines(file.content, file.name, { tokens, lowercase: true, testShare: 0.5 });
  }
  const lines = linesOf(file);
  if (lines.length === 0)
    throw new UserError(`${file.name}: expected a line for each text, got an empty file`);
  return lines.map(({ line, place }) => {
    const [label = '', ...rest] = line.split('\t');
    if (rest.length === 0) {
      throw new UserError(
        `${place}: expected a label, a tab and a text, got no tab; for one text without labels take the loss “next token”`,
      );
    }
    const text = rest.join('\t');
    return { text: tokens === 'given' ? numbersIn(text, place) : text, label: label.trim(), place };
  });
}

/** One long text, cut into pieces of as many tokens as an example has; the rest of a token alone is left out. */
function pieces(
  file: TextFile,
  { tokens, vocabulary = 0, length }: Pick<TextOptions, 'tokens' | 'vocabulary' | 'length'>,
): LabelledText[] {
  const { name, content } = file;
  const all =
    tokens === 'given'
      ? numbersIn(content, name)
      : (tokens === 'bytes' ? byteTokenizer() : wordTokenizer([content], vocabulary)).encode(content);
  const starts = Array.from({ length: Math.ceil(all.length / length) }, (_, i) => i * length);
  return starts.flatMap((start, i) => {
    const text = all.slice(start, start + length);
    return text.length > 1 ? [{ text, label: '', place: `${name}: piece ${i + 1}` }] : [];
  });
}

function numbersIn(text: string, place: string): number[] {
  const numbers = text
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  if (numbers.every((token) => Number.isSafeInteger(token) && token >= 0)) return numbers;
  throw new UserError(
    `${place}: expected tokens, whole numbers with spaces between; for text take bytes or words`,
  );
}
