/** The folder of a run: how it is begun, and emptied. */
import { constants, existsSync, statSync } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';
import { writeWhole } from '../whole-file.ts';
import { configText, type TrainConfig } from './config.ts';
import { CONFIG_FILE } from './run-archive.ts';
import { LOCK_FILE } from './run-lock.ts';

/** Creates a folder with those above it, where it is not there. Throws a UserError. */
export async function createFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: unknown) => {
    // Node says "no such folder" of a read-only file system: ask the folder that is there.
    let above = resolve(path);
    while (!existsSync(above)) above = dirname(above);
    if (!statSync(above).isDirectory())
      throw new UserError(`${above}: it is a file, expected a folder; take another path`);
    await access(above, constants.W_OK).catch((reason: unknown) => {
      throw fileError(reason, above);
    });
    throw fileError(error, path);
  });
}

/**
 * Creates the folder of a new run, with those above it. Throws a UserError where it cannot be written, or where there is
 * something in it already, a lock apart.
 */
export async function createRunFolder(path: string): Promise<void> {
  await createFolder(path);
  await expectNewFolder(path);
}

/** Throws a UserError where there is something in the folder of a new run already, a lock apart. */
export async function expectNewFolder(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const names = await readdir(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (names.some((name) => name !== LOCK_FILE)) {
    throw new UserError(
      `${path}: the folder is not empty; take another one, or go on with the run in it: --resume ${path}`,
    );
  }
}

/** Writes `config.json`: what the run was begun with. Throws a UserError. */
export function writeConfig(folder: string, config: TrainConfig): Promise<void> {
  return writeWhole(join(folder, CONFIG_FILE), configText(config));
}

/** Removes what a run left that did not get as far as a checkpoint; the lock that the caller holds stays. */
export async function emptyRunFolder(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name !== LOCK_FILE);
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** Creates a folder in one that is there: what was removed meanwhile is not made again. Throws a UserError. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path).catch((error: unknown) => {
    if (!existsSync(path)) throw fileError(error, path);
  });
}
