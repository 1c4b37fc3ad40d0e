/** Files of one JSON object a line, in the order of the steps, written while a run goes on and resumed with it. */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type * as v from 'valibot';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';
import { openAppendFile } from './append-file.ts';
import { type FoundLine, lineNumberAt, linesFromEnd, linesOf } from './line-reader.ts';
import { isJson, parsedLines, parseLine } from './parse-lines.ts';

type LineSchema<Line> = v.GenericSchema<unknown, Line>;

interface LineFile {
  /** Adds a line; what is not finite in it becomes null. */
  write(json: string): void;
  flush(): void;
  close(): void;
}

/**
 * Opens such a file for writing. A new run wants no file there. A resumed one names the step of its checkpoint, and
 * every line past it goes, as does a last line that a crash cut in half: together with a `flush()` before each
 * checkpoint, the file then reads as if the run had never stopped.
 *
 * @throws UserError where a new run finds a file (`holds` says what of), or a resumed one a broken line at the end of it
 */
export function openLines<Line extends { readonly step: number }>(
  path: string,
  schema: LineSchema<Line>,
  { resumeAtStep, holds }: { readonly resumeAtStep?: number | undefined; readonly holds: string },
): LineFile {
  if (resumeAtStep !== undefined) keepLinesUntil(path, schema, resumeAtStep);
  else if (existsSync(path)) {
    throw new UserError(
      `${path}: already holds the ${holds} of a run; resume that run or choose another folder`,
    );
  }
  const file = openAppendFile(path);
  return {
    write: (json) => file.append(Buffer.from(`${json}\n`)),
    flush: file.flush,
    close: file.close,
  };
}

/** All complete lines of such a file, also of one still being written. @throws UserError naming a broken line */
export function readLines<Line>(path: string, schema: LineSchema<Line>): Line[] {
  return Array.from(eachLine(path, schema));
}

/** The same one after the other: of a long file not all need be held. @throws UserError naming a broken line */
export function eachLine<Line>(path: string, schema: LineSchema<Line>): Generator<Line> {
  return parsedLines(linesOf(path), schema, path);
}

/**
 * The last `count` lines that are `wanted`, in the order of the file, of which only the end is read.
 *
 * @throws UserError naming a broken line there
 */
export function lastLines<Line>(
  path: string,
  schema: LineSchema<Line>,
  count: number,
  wanted: (line: Line) => boolean,
): Line[] {
  const found: Line[] = [];
  for (const { record } of recordsFromEnd(path, schema)) {
    if (found.length >= count) break;
    if (wanted(record)) found.push(record);
  }
  return found.reverse();
}

/** Lines are in the order of the steps, so that only those at the end are to go; what stays is not written anew. */
function keepLinesUntil<Line extends { readonly step: number }>(
  path: string,
  schema: LineSchema<Line>,
  step: number,
): void {
  if (!existsSync(path)) return;
  let kept: FoundLine | undefined;
  for (const { line, record } of recordsFromEnd(path, schema)) {
    if (record.step > step) continue;
    kept = line;
    break;
  }
  try {
    const file = openSync(path, 'r+');
    try {
      ftruncateSync(file, kept?.end ?? 0);
      if (kept && !kept.isEnded) writeSync(file, '\n', kept.end);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/** From the last to the first; what a crash left of a last line is left out. */
function* recordsFromEnd<Line>(
  path: string,
  schema: LineSchema<Line>,
): Generator<{ readonly line: FoundLine; readonly record: Line }> {
  for (const line of linesFromEnd(path)) {
    if (!line.isEnded && !isJson(line.text)) continue;
    const where = () => `${path}: line ${lineNumberAt(path, line.begin)}`;
    yield { line, record: parseLine(line.text, schema, where) };
  }
}
