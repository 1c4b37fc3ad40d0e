/** Texts with labels: files in a folder for each class, or lines of JSON. Its fields are those of `textDataset`. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, show, UserError } from '../errors.ts';
import { listClassFolders } from './class-folders.node.ts';
import type { OpenDataset } from './dataset.ts';
import { readBytes } from './files.node.ts';
import { partsOf } from './parts.ts';
import { type Corpus, type LabelledText, parseTextOptions, type TextOptions, textDataset } from './tokens.ts';

/**
 * Opens the texts at `dir`: a file of JSON lines, `{"text": …, "label": …}`, of which a share is kept to test with; a
 * folder with `train.jsonl`, `test.jsonl` and perhaps `validation.jsonl`; or a folder with `train/<class>/*.txt`,
 * `test/<class>/*.txt` and perhaps `val/<class>/*.txt`. The source's `options` say how they become tokens.
 */
export const open: OpenDataset = async ({ dir, options = {}, ...source }) => {
  if (dir === undefined) {
    throw new UserError('text: no texts were given: pass --data <a file of JSON lines, or a folder>');
  }
  const parsed = parseTextOptions(options, 'text: options');
  return textDataset(await readCorpus(dir, parsed), parsed, source);
};

async function readCorpus(dir: string, options: TextOptions): Promise<Corpus> {
  const about = { name: 'text', where: dir };
  if (!statSync(dir).isDirectory()) {
    const texts = await readLines(dir, options);
    const [train, test] = partsOf(texts, ({ label }) => label, options.testShare, `${dir}: testShare`);
    return { ...about, train, test };
  }
  const file = (name: string) => join(dir, `${name}.jsonl`);
  if (existsSync(file('train'))) {
    return {
      ...about,
      train: await readLines(file('train'), options),
      test: await readLines(file('test'), options),
      ...(existsSync(file('validation')) && { validation: await readLines(file('validation'), options) }),
    };
  }
  const { classes, train, test, validation } = listClassFolders('text', dir, 'texts');
  const read = (files: typeof train): Promise<LabelledText[]> =>
    Promise.all(
      Array.from(files.labels, async (label, i) => {
        const path = files.path(i);
        return { text: decode(await readBytes(path), path), label: classes[label] ?? '', place: path };
      }),
    );
  return {
    ...about,
    train: await read(train),
    test: await read(test),
    ...(validation && { validation: await read(validation) }),
  };
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path}: it is not UTF-8: save it as UTF-8`);
  }
}

async function readLines(path: string, options: TextOptions): Promise<LabelledText[]> {
  const lines = decode(await readBytes(path), path).split(/\r?\n/);
  const texts = lines.flatMap((line, i) =>
    line.trim() === '' ? [] : [parseLine(line, `${path}:${i + 1}`, options)],
  );
  if (texts.length === 0) throw new UserError(`${path}: expected a line of JSON for each text, got none`);
  return texts;
}

function parseLine(line: string, place: string, { tokens }: TextOptions): LabelledText {
  const field = tokens === 'given' ? 'tokens' : 'text';
  const json = parseJson(line, place);
  const isObject = typeof json === 'object' && json !== null;
  const text: unknown = isObject ? Reflect.get(json, field) : undefined;
  const label: unknown = isObject ? Reflect.get(json, 'label') : undefined;
  if (typeof label !== 'string' && typeof label !== 'number' && typeof label !== 'boolean') {
    throw new UserError(`${place}: label: expected text or a number, got ${show(label)}`);
  }
  if (tokens === 'given') {
    if (!isNumbers(text))
      throw new UserError(`${place}: tokens: expected a list of numbers, got ${show(text)}`);
    return { text, label: String(label), place };
  }
  if (typeof text !== 'string') throw new UserError(`${place}: text: expected text, got ${show(text)}`);
  return { text, label: String(label), place };
}

function parseJson(line: string, place: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new UserError(`${place}: not valid JSON: ${messageOf(error)}`);
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'number');
}
