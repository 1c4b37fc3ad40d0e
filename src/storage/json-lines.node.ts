/** Files of one JSON object a line, in the order of the steps. A run adds lines; a resumed run continues the file. */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type * as v from 'valibot';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';
import { openAppendFile } from './append-file.node.ts';
import { type FoundLine, lineNumberAt, linesFromEnd, linesOf } from './line-reader.node.ts';
import { isJson, parsedLines, parseLine } from './parse-lines.ts';

type LineSchema<Line> = v.GenericSchema<unknown, Line>;

interface LineFile {
  /** Adds a line: one JSON object, without the line break. */
  write(json: string): void;
  flush(): void;
  close(): void;
}

/**
 * Opens such a file for writing. For a new run the file must not exist. A resumed run gives the step of its checkpoint:
 * every line past that step is removed, and so is a last line that a crash cut. If the run also calls `flush()` before
 * each checkpoint, the file then reads as if the run had never stopped.
 *
 * @throws UserError if a new run finds a file (the error says what it `holds`), or a resumed run a broken line at its end
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

/** All complete lines of such a file, which may still be being written. @throws UserError naming a broken line */
export function readLines<Line>(path: string, schema: LineSchema<Line>): Line[] {
  return Array.from(eachLine(path, schema));
}

/** As `readLines`, one line at a time, so that a long file is never held whole. @throws UserError naming a broken line */
export function eachLine<Line>(path: string, schema: LineSchema<Line>): Generator<Line> {
  return parsedLines(linesOf(path), schema, path);
}

/**
 * The last `count` lines that are `wanted`, in the order of the file. Reads only the end of the file.
 *
 * @throws UserError naming a broken line in the part that is read
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

/** Removes the lines past a step. They are at the end, as lines are in the order of the steps: the file is truncated. */
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

/** The records from the last to the first. A last line that a crash cut is left out. */
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
