/** Texts with labels, from the content of a file. Pure: also for browsers. */
import { messageOf, show, UserError } from '../errors.ts';
import type { LabelledText, TextOptions } from './tokens.ts';

/** Throws a UserError, which names the file, where the bytes are not UTF-8. */
export function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${path}: it is not UTF-8: save it as UTF-8`);
  }
}

/** Lines of JSON, `{"text": …, "label": …}` or with tokens. Throws a UserError, which names file and line, for others. */
export function jsonLines(content: string, path: string, options: TextOptions): LabelledText[] {
  const texts = content
    .split(/\r?\n/)
    .flatMap((line, i) => (line.trim() === '' ? [] : [parseLine(line, `${path}:${i + 1}`, options)]));
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
