/** What `fit` has in node beside sessions: files, and a line on a terminal. host.web.ts has the same functions. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
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

/** What lies at an address: in node a file, by its path or `file:` URL. Throws UserError where it cannot be read. */
export function readAddress(address: string): Promise<Uint8Array> {
  return readBytes(address.startsWith('file:') ? fileURLToPath(address) : address);
}

export function writeBytes(file: string, bytes: Uint8Array): Promise<void> {
  return writeWhole(file, bytes);
}

/** A line at the bottom of the terminal; none where the error output is no terminal. */
export function progressLine(draw: () => string): LiveLine | undefined {
  return process.stderr.isTTY ? openLiveLine(process.stderr, draw) : undefined;
}
