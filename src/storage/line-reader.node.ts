/**
 * Reads the lines of a file of any length without holding it whole: from its beginning, or from its end. A resumed run
 * needs only the end.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';

const BREAK = 0x0a;
const FORWARD_BYTES = 2 ** 20;
const BACKWARD_BYTES = 2 ** 16;
/** Far longer than any line that a run writes. The limit keeps a file without line breaks from being held whole. */
const MAX_LINE_BYTES = 2 ** 24;

/** The lines without their breaks. The last one is the text after the last break, often empty. Throws a UserError. */
export function* linesOf(path: string): Generator<string> {
  for (const texts of blocksOf(path)) yield* texts;
}

/** The same, many lines at a time, because a generator is slow if it yields each line by itself. */
function* blocksOf(path: string): Generator<readonly string[]> {
  const file = openFile(path);
  try {
    const chunk = Buffer.alloc(FORWARD_BYTES);
    let begun = Buffer.alloc(0);
    for (let length = read(file, chunk, null, path); length > 0; length = read(file, chunk, null, path)) {
      const bytes = Buffer.concat([begun, chunk.subarray(0, length)]);
      const end = bytes.lastIndexOf(BREAK);
      if (end >= 0) yield bytes.toString('utf8', 0, end).split('\n');
      begun = bytes.subarray(end + 1);
      expectLength(begun, path);
    }
    yield [begun.toString('utf8')];
  } finally {
    closeSync(file);
  }
}

/** A line, and its place in the file. */
export interface FoundLine {
  readonly text: string;
  /** The offset at which it begins, and the offset after it and its break. */
  readonly begin: number;
  readonly end: number;
  /** Whether a break ends it. Only the text after the last break has none. */
  readonly isEnded: boolean;
}

/** The lines from the last to the first. The first is the text after the last break, often empty. Throws a UserError. */
export function* linesFromEnd(path: string): Generator<FoundLine> {
  const file = openFile(path);
  try {
    let from = fstatSync(file).size;
    // The bytes from `from` on that are not yielded yet, without the break that ends them.
    let rest = Buffer.alloc(0);
    let isEnded = false;
    const line = (begin: number): FoundLine => {
      const end = from + rest.length + (isEnded ? 1 : 0);
      return { text: rest.toString('utf8', begin), begin: from + begin, end, isEnded };
    };
    while (from > 0) {
      const chunk = Buffer.alloc(Math.min(BACKWARD_BYTES, from));
      const length = read(file, chunk, from - chunk.length, path);
      if (length < chunk.length) throw new UserError(`${path}: it was cut while it was read; try again`);
      from -= length;
      rest = Buffer.concat([chunk, rest]);
      for (let at = rest.lastIndexOf(BREAK); at >= 0; at = rest.lastIndexOf(BREAK)) {
        yield line(at + 1);
        rest = rest.subarray(0, at);
        isEnded = true;
      }
      expectLength(rest, path);
    }
    yield line(0);
  } finally {
    closeSync(file);
  }
}

/** The number, from 1, of the line that begins at an offset. */
export function lineNumberAt(path: string, offset: number): number {
  let [number, at] = [1, 0];
  for (const text of linesOf(path)) {
    if (at >= offset) break;
    at += Buffer.byteLength(text) + 1;
    number++;
  }
  return number;
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw fileError(error, path);
  }
}

function read(file: number, into: Buffer, position: number | null, path: string): number {
  try {
    return readSync(file, into, 0, into.length, position);
  } catch (error) {
    throw fileError(error, path);
  }
}

function expectLength({ length }: Buffer, path: string): void {
  if (length > MAX_LINE_BYTES) {
    throw new UserError(`${path}: a line has more than ${MAX_LINE_BYTES} bytes; this is not a file of a run`);
  }
}
