import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';

/** The bytes of a file. Throws a UserError that names the file if it cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UserError(`cannot read ${path}: ${reason(error)}`);
  }
}

/** Those of `names` that exist in `dir`, in the order of `names`, as paths. */
export function present(dir: string, names: readonly string[]): string[] {
  return names.map((name) => join(dir, name)).filter((path) => existsSync(path));
}

/** The first line of an error's message: libraries add lines that repeat it. */
export function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1).join();
}
