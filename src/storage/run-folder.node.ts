/** Creates the folder of a run, and empties it. */
import { constants, existsSync, statSync } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { configText, type TrainConfig } from '../config/config.ts';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';
import { writeWhole } from '../whole-file.node.ts';
import { CONFIG_FILE } from './run-archive.ts';
import { LOCK_FILE } from './run-lock.node.ts';

/** Creates a folder and the folders above it, if they do not exist. Throws a UserError. */
export async function createFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: unknown) => {
    // On a read-only file system Node says "no such folder". The nearest folder that exists gives the true reason.
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
 * Creates the folder of a new run, and the folders above it. Throws a UserError if it cannot be written, or if it already
 * holds anything but a lock.
 */
export async function createRunFolder(path: string): Promise<void> {
  await createFolder(path);
  await expectNewFolder(path);
}

/** Throws a UserError if the folder of a new run already holds anything but a lock. */
export async function expectNewFolder(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const names = await readdir(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  if (names.some((name) => name !== LOCK_FILE)) {
    throw new UserError(
      `${path}: the folder is not empty; take another one, or resume the run in it: --resume ${path}`,
    );
  }
}

/** Writes `config.json`: the options with which the run was begun. Throws a UserError. */
export function writeConfig(folder: string, config: TrainConfig): Promise<void> {
  return writeWhole(join(folder, CONFIG_FILE), configText(config));
}

/** Empties the folder of a run that ended before its first checkpoint. The lock stays: the caller holds it. */
export async function emptyRunFolder(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name !== LOCK_FILE);
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** Creates a folder in an existing one. A parent that was removed meanwhile is not made again. Throws a UserError. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path).catch((error: unknown) => {
    if (!existsSync(path)) throw fileError(error, path);
  });
}
