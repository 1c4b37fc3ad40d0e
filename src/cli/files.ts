import { constants, existsSync, statSync } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { CHECKPOINTS } from '../train/checkpoint.ts';
import { METRICS_FILE } from '../train/run-archive.ts';

/** Creates a folder with those above it, where it is not there. */
export async function createFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: unknown) => {
    // Node says "no such folder" of a read-only file system: ask the folder that is there.
    let above = resolve(path);
    while (!existsSync(above)) above = dirname(above);
    if (!statSync(above).isDirectory())
      throw new UserError(`${above}: it is a file, expected a folder; take another path`);
    await access(above, constants.W_OK);
    throw error;
  });
}

/** Throws a UserError where there is something in the folder of a new run already. */
export async function expectNewFolder(path: string): Promise<void> {
  if (existsSync(path) && (await readdir(path)).length > 0) {
    throw new UserError(
      `--out ${path}: the folder is not empty; take another name, or go on with the run in it: --resume ${path}`,
    );
  }
}

/** Creates the folder of a new run, with those above it. Throws a UserError where there is something in it already. */
export async function createRunFolder(path: string): Promise<void> {
  await createFolder(path);
  await expectNewFolder(path);
}

/** Removes what a run wrote to its folder before its first checkpoint, so that it can begin again; its config stays. */
export async function removeOutput(folder: string): Promise<void> {
  for (const name of [METRICS_FILE, 'diagnostics.jsonl', 'tensorboard', CHECKPOINTS])
    await rm(join(folder, name), { recursive: true, force: true });
}
