import { rename, rm, writeFile } from 'node:fs/promises';
import { UserError } from './errors.ts';
import { systemErrorMeaning } from './system-error.ts';

/**
 * Writes a file that nobody sees by halves: under another name beside it, then renamed; a failure leaves the old one.
 * Throws a UserError that names `file` where the system refuses.
 */
export async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    const meaning = systemErrorMeaning(error);
    throw meaning === undefined ? error : new UserError(`${file}: ${meaning}`);
  }
}
