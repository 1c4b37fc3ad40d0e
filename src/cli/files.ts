import { mkdir, readdir } from 'node:fs/promises';
import { UserError } from '../errors.ts';

/** Creates the folder of a new run, with those above it. Throws a UserError where there is something in it already. */
export async function createRunFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  if ((await readdir(path)).length > 0) {
    throw new UserError(
      `--out ${path}: the folder is not empty; take another name, or go on with the run in it: --resume ${path}`,
    );
  }
}
