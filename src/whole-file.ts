import { rename, rm, writeFile } from 'node:fs/promises';

/** Writes a file that nobody sees by halves: under another name beside it, then renamed; a failure leaves the old one. */
export async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
