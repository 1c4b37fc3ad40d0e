import { rename, rm, writeFile } from 'node:fs/promises';
import { jsonText } from './json-text.ts';
import { fileError } from './system-error.ts';

/**
 * Writes a file so that nobody ever sees half of it, even after a power cut: it is written under another name beside it,
 * synced to the disk, then renamed. Throws a UserError that names `file`; the old file is then unchanged.
 */
export async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content, { flush: true });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError(error, file);
  }
}

/** The same with a value as JSON. */
export function writeJson(file: string, value: unknown): Promise<void> {
  return writeWhole(file, jsonText(value));
}
