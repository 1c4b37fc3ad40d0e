/** Files of one JSON object a line, in the order of the steps, written while a run goes on and resumed with it. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type * as v from 'valibot';
import { UserError } from '../errors.ts';
import { systemErrorMessage } from '../system-error.ts';
import { openAppendFile } from './append-file.ts';
import { parseLines } from './parse-lines.ts';

/** What all lines of such a file have. */
type LineSchema<Line extends { readonly step: number }> = v.GenericSchema<unknown, Line>;

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
 * @throws UserError where a new run finds a file (`holds` says what of), or a resumed one a broken line
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
export function readLines<Line extends { readonly step: number }>(
  path: string,
  schema: LineSchema<Line>,
): Line[] {
  return parsedLines(path, schema).map(({ record }) => record);
}

/** Writes the kept lines beside the file and renames, so that a crash leaves either the old file or the new one. */
function keepLinesUntil<Line extends { readonly step: number }>(
  path: string,
  schema: LineSchema<Line>,
  step: number,
): void {
  if (!existsSync(path)) return;
  const kept = parsedLines(path, schema).filter(({ record }) => record.step <= step);
  writeFileSync(`${path}.tmp`, kept.map(({ text }) => `${text}\n`).join(''), { flush: true });
  renameSync(`${path}.tmp`, path);
}

function parsedLines<Line extends { readonly step: number }>(
  path: string,
  schema: LineSchema<Line>,
): { text: string; record: Line }[] {
  return parseLines(readText(path), schema, path);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(systemErrorMessage(error) ?? `${path}: cannot be read: ${String(error)}`);
  }
}
