/** Texts: how they become tokens, where they are read from, and what is said of those that are not right. */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Dataset, DatasetSource, Json, Split } from '../../src/data/dataset.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { byteTokenizer, wordTokenizer } from '../../src/data/tokens.ts';
import { folder, userError } from './_files.ts';

function texts(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  return folder(
    t,
    Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])),
  );
}

const lines = (...objects: readonly unknown[]) => objects.map((each) => JSON.stringify(each)).join('\n');

function examples({ length, read }: Split, { fields }: Dataset): { tokens: number[]; label: number }[] {
  const size = fields.tokens?.shape[0] ?? 0;
  return Array.from({ length }, (_, i) => {
    const out = { tokens: new Int32Array(size), labels: new Int32Array(1) };
    read(i, out, 0);
    return { tokens: [...out.tokens], label: out.labels[0] ?? -1 };
  });
}

test('bytes are tokens from 2 on, padded with 0 and cut at the length', async (t) => {
  const dir = texts(t, {
    'train.jsonl': lines({ text: 'ab', label: 'x' }, { text: 'é!', label: 'w' }),
    'test.jsonl': lines({ text: 'abcdef', label: 'x' }),
  });
  const dataset = await openDataset({ dataset: 'text', dir, options: { length: 4 } });
  t.deepEqual(dataset.fields, {
    tokens: { dtype: 'int32', shape: [4] },
    labels: { dtype: 'int32', shape: [] },
  });
  t.deepEqual(examples(dataset.train, dataset), [
    { tokens: [99, 100, 0, 0], label: 1 },
    { tokens: [0xc3 + 2, 0xa9 + 2, 35, 0], label: 0 },
  ]);
  t.deepEqual(examples(dataset.test, dataset), [{ tokens: [99, 100, 101, 102], label: 1 }]);
  t.deepEqual(dataset.about, { classes: ['w', 'x'], length: 4, tokens: 'bytes', vocabulary: 258 });
  t.is(dataset.found, `found 2 training texts and 1 test text in ${dir}, of 2 classes: 258 tokens`);
  t.is(byteTokenizer().vocabulary, 258);
});

test('words are numbered by how often the training texts have them', async (t) => {
  const dir = texts(t, {
    'train.jsonl': lines(
      { text: 'The cat, the dog.', label: 1 },
      { text: "The dog isn't a cat", label: 0 },
      { text: 'zebra zebra zebra zebra', label: 1 },
    ),
    'test.jsonl': lines({ text: 'THE aardvark zebra.', label: 0 }),
    'validation.jsonl': lines({ text: 'cat', label: 1 }),
  });
  const options = { tokens: 'words', vocabulary: 6, length: 5 };
  const dataset = await openDataset({ dataset: 'text', dir, options });
  t.deepEqual(dataset.about.words, ['zebra', 'the', 'cat', 'dog']);
  t.deepEqual(
    examples(dataset.train, dataset).map(({ tokens }) => tokens),
    [
      [3, 4, 1, 3, 5],
      [3, 5, 1, 1, 4],
      [2, 2, 2, 2, 0],
    ],
  );
  t.deepEqual(examples(dataset.test, dataset), [{ tokens: [3, 1, 2, 1, 0], label: 0 }]);
  t.is(dataset.validation?.length, 1);
  const cased = wordTokenizer(['The the The'], 4, { lowercase: false });
  t.deepEqual(cased.encode('the The x'), [3, 2, 1]);
  // As often as one another: by code units.
  t.deepEqual(wordTokenizer(['b a ä c'], 6).about.words, ['a', 'b', 'c', 'ä']);
});

test('a vocabulary is learnt from the texts that are trained on', async (t) => {
  const all = Array.from({ length: 20 }, (_, i) => ({ text: `word${i}`, label: i % 2 }));
  const dir = texts(t, { 'train.jsonl': lines(...all), 'test.jsonl': lines(all[0]) });
  const dataset = await openDataset({
    dataset: 'text',
    dir,
    options: { tokens: 'words', vocabulary: 100, length: 1 },
    holdOut: { fraction: 0.3, seed: 2 },
  });
  const { words } = dataset.about;
  t.is(Array.isArray(words) && words.length, 14);
  t.true(examples(dataset.train, dataset).every(({ tokens }) => (tokens[0] ?? 0) > 1));
  if (!dataset.validation) throw new Error('no validation texts');
  t.deepEqual(
    examples(dataset.validation, dataset).map(({ tokens }) => tokens),
    Array(6).fill([1]),
  );
});

test('tokens of another tokenizer are taken as they are', async (t) => {
  const dir = texts(t, {
    'train.jsonl': lines({ tokens: [5, 0, 9], label: 'a' }, { tokens: [1], label: 'b' }),
    'test.jsonl': lines({ tokens: [2], label: 'b' }),
  });
  const options = { tokens: 'given', vocabulary: 10, length: 2 };
  const source: DatasetSource = { dataset: 'text', dir, options };
  const dataset = await openDataset(source);
  t.deepEqual(examples(dataset.train, dataset), [
    { tokens: [5, 0], label: 0 },
    { tokens: [1, 0], label: 1 },
  ]);
  await t.throwsAsync(
    openDataset({ ...source, options: { ...options, vocabulary: 9 } }),
    userError(
      /train\.jsonl:1: token 2 is 9, expected an integer from 0 to 8; correct it, or set `vocabulary`$/,
    ),
  );
  await t.throwsAsync(
    openDataset({ ...source, vocabulary: 8 }),
    userError(/the graph knows 8 tokens, but text has 10: choose a graph and a dataset that fit/),
  );
});

test('texts are files in class folders, or lines of one file of which a share is to test with', async (t) => {
  const dir = texts(t, {
    'train/spam/1.txt': 'buy',
    'train/ham/1.txt': 'hello',
    'train/ham/2.txt': 'bye',
    'test/spam/1.txt': 'sell',
    'test/ham/1.txt': 'hi',
  });
  const fields = { tokens: { dtype: 'int32', shape: [5] } } as const;
  const folders = await openDataset({ dataset: 'text', dir, fields });
  t.deepEqual(folders.about.classes, ['ham', 'spam']);
  t.deepEqual(
    examples(folders.train, folders).map(({ label }) => label),
    [0, 0, 1],
  );
  t.deepEqual(examples(folders.test, folders)[1]?.tokens, [...Buffer.from('sell').map((b) => b + 2), 0]);

  const all = Array.from({ length: 40 }, (_, i) => ({ text: `text ${i}`, label: i % 4 === 0 ? 'a' : 'b' }));
  const file = join(texts(t, { 'all.jsonl': lines(...all) }), 'all.jsonl');
  const one = await openDataset({ dataset: 'text', dir: file, options: { length: 8 } });
  t.deepEqual([one.train.length, one.test.length], [32, 8]);
  t.is(one.test.strata?.filter((label) => label === 0).length, 2);
});

const line = lines({ text: 'a', label: 'x' }, { text: 'b', label: 'y' });
const WRONG: Readonly<
  Record<string, { train?: string; test?: string; options?: Readonly<Record<string, Json>>; message: RegExp }>
> = {
  'a broken line': { train: `${line}\n{"text": "c"`, message: /train\.jsonl:3: not valid JSON: / },
  'an empty text': {
    test: lines({ text: ' \t', label: 'x' }),
    message: /test\.jsonl:1: expected a text, got an empty one; remove it$/,
  },
  'a text that is none': {
    train: `\n${lines({ text: 3, label: 'x' })}`,
    message: /train\.jsonl:2: text: expected text, got 3$/,
  },
  'a line without a label': {
    train: lines({ text: 'a' }),
    message: /train\.jsonl:1: label: expected text or a number, got undefined$/,
  },
  'a label that no training text has': {
    test: lines({ text: 'a', label: 'xx' }),
    message: /test\.jsonl:1: label "xx": no training text has it; did you mean x\?$/,
  },
  'no line at all': {
    train: '\n',
    message: /train\.jsonl: expected a line of JSON for each text, got none$/,
  },
  'no length': {
    options: {},
    message: /text: options: length: expected the number of tokens of an example$/,
  },
  'words without a vocabulary': {
    options: { tokens: 'words' },
    message: /text: options: vocabulary: expected how many tokens there are, for tokens: words$/,
  },
  'bytes with a vocabulary': {
    options: { vocabulary: 9 },
    message: /text: options: vocabulary: bytes have 258 tokens: leave it out$/,
  },
  'an unknown option': {
    options: { lenght: 4 },
    message: /text: options: lenght: unknown field; remove it or correct its name$/,
  },
  'tokens that are none': {
    train: lines({ text: 'a', label: 'x' }),
    options: { tokens: 'given', vocabulary: 9, length: 2 },
    message: /train\.jsonl:1: tokens: expected a list of numbers, got undefined$/,
  },
};
for (const [what, { train = line, test: tests = line, options = { length: 4 }, message }] of Object.entries(
  WRONG,
)) {
  test(`${what} is named, with its place`, async (t) => {
    const dir = texts(t, { 'train.jsonl': train, 'test.jsonl': tests });
    await t.throwsAsync(openDataset({ dataset: 'text', dir, options }), userError(message));
  });
}

test('texts that are not there, or not UTF-8, are an error', async (t) => {
  await t.throwsAsync(openDataset({ dataset: 'text' }), userError(/text: no texts were given: pass --data/));
  await t.throwsAsync(
    openDataset({ dataset: 'text', dir: folder(t), options: { length: 4 } }),
    userError(/text: .* has no train\/<class>\/: expected a folder per class there/),
  );
  const dir = folder(t, { 'train.jsonl': Uint8Array.of(0x22, 0xff), 'test.jsonl': Buffer.from(line) });
  await t.throwsAsync(
    openDataset({ dataset: 'text', dir, options: { length: 4 } }),
    userError(/train\.jsonl: it is not UTF-8: save it as UTF-8$/),
  );
});

test('the languages of the package are forty, and no test text is one of the training texts', async (t) => {
  const dataset = await openDataset({
    dataset: 'languages',
    classes: 40,
    vocabulary: 258,
    fields: { tokens: { dtype: 'int32', shape: [64] }, labels: { dtype: 'int32', shape: [] } },
  });
  t.deepEqual([dataset.train.length, dataset.test.length], [6547, 1034]);
  const [train, held] = [dataset.train, dataset.test].map((split) => examples(split, dataset));
  t.is(new Set(held?.map(({ label }) => label)).size, 40);
  const seen = new Set(train?.map((each) => JSON.stringify(each)));
  const again = held?.filter((each) => seen.has(JSON.stringify(each))) ?? [];
  t.true(again.length < 5, `${again.length}`);
});
