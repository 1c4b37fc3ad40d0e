import { constants, existsSync } from 'node:fs';
import { access, mkdir, readdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.ts';

/** Creates the folder of a new run, with those above it. Throws a UserError where there is something in it already. */
export async function createRunFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: unknown) => {
    // Node says "no such folder" of a read-only file system: ask the folder that is there.
    let above = dirname(resolve(path));
    while (!existsSync(above)) above = dirname(above);
    await access(above, constants.W_OK);
    throw error;
  });
  if ((await readdir(path)).length > 0) {
    throw new UserError(
      `--out ${path}: the folder is not empty; take another name, or go on with the run in it: --resume ${path}`,
    );
  }
}
