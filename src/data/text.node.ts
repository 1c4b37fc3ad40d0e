/** Texts with labels: files in a folder for each class, or lines of JSON. Its fields are those of `textDataset`. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { listClassFolders } from './class-folders.node.ts';
import type { OpenDataset } from './dataset.ts';
import { readBytes } from './files.node.ts';
import { partsOf } from './parts.ts';
import { decodeText, jsonLines } from './text-lines.ts';
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
        return { text: decodeText(await readBytes(path), path), label: classes[label] ?? '', place: path };
      }),
    );
  return {
    ...about,
    train: await read(train),
    test: await read(test),
    ...(validation && { validation: await read(validation) }),
  };
}

async function readLines(path: string, options: TextOptions): Promise<LabelledText[]> {
  return jsonLines(decodeText(await readBytes(path), path), path, options);
}
