/** What `fit` has in node beside sessions: files, and a line on a terminal. host.web.ts has the same functions. */
import { readFile } from 'node:fs/promises';
import { fileError } from '../system-error.ts';
import { type LiveLine, openLiveLine } from '../terminal/live-line.node.ts';
import { writeWhole } from '../whole-file.node.ts';

/** Throws UserError where the file cannot be read. */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw fileError(error, file);
  }
}

export function writeBytes(file: string, bytes: Uint8Array): Promise<void> {
  return writeWhole(file, bytes);
}

/** A line at the bottom of the terminal; none where the error output is no terminal. */
export function progressLine(draw: () => string): LiveLine | undefined {
  return process.stderr.isTTY ? openLiveLine(process.stderr, draw) : undefined;
}
