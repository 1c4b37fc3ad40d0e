/**
 * Checkpoints on disk. In the folder of a run:
 *
 *     checkpoints/step-000123/   a complete checkpoint: model.safetensors, optimizer.safetensors, checkpoint.json
 *     last, best                 links to two of these
 *
 * A checkpoint is written under a temporary name, synced to the disk and only then renamed, so that a folder named
 * `step-…` is complete whenever the process or the machine stops. A link is replaced by renaming a new one over it,
 * which is atomic on POSIX. A folder cannot be replaced that way. Nothing relies on the links. Some systems cannot make
 * them (Windows without the privilege, exFAT), and copying can lose them. Then `last` is the checkpoint of the highest
 * step, and `best` is the checkpoint that `last` names as the best.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { readJsonFile } from '../json-file.node.ts';
import { type MetricInfos, OLD_METRICS } from '../metrics/info.ts';
import { fileError, systemErrorMeaning } from '../system-error.ts';
import {
  CHECKPOINTS,
  type Checkpoint,
  type CheckpointDocument,
  DOCUMENT,
  decodeDocument,
  decodeModel,
  decodeOptimizer,
  encodeDocument,
  encodeTensors,
  expectCheckpoint,
  type FileSum,
  FROZEN_FILE,
  finiteTensors,
  type ModelCheckpoint,
  stepName,
  TENSOR_FILES,
} from './checkpoint.ts';
import { makeFolder } from './run-folder.node.ts';
import { encodeSafetensors, type NamedTensor } from './safetensors.ts';

type Link = 'last' | 'best';
const TEMPORARY = '.tmp-';
/** Bytes hashed and written at once: small enough to let other work go on in between. */
const CHUNK_BYTES = 8 * 2 ** 20;

export interface SaveOptions {
  /** How many of the newest checkpoints to keep, at least 1. The best one is kept in addition. */
  readonly keep: number;
  /** Writes a new file; for tests. */
  readonly write?: typeof writeFileSynced;
}

/**
 * Saves a checkpoint in the folder `run`, which must exist: a folder that was removed during the run is not made again.
 * Resolves when the checkpoint is safe on the disk, `last` points to it, and older checkpoints are removed. `best` points
 * to it too if `checkpoint.best` is of the same step. Until then the tensors must not change, and no other save of the
 * run may begin. Throws a UserError if the checkpoint is not valid or cannot be written; the previous checkpoint is
 * then still in place.
 */
export async function saveCheckpoint(
  run: string,
  checkpoint: Checkpoint,
  { keep, write = writeFileSynced }: SaveOptions,
): Promise<void> {
  expectCheckpoint(checkpoint);
  expectNumber('saveCheckpoint: keep', keep, { min: 1, isInteger: true });
  const { step, best } = checkpoint;
  const folder = join(run, CHECKPOINTS);
  const saved = await listCheckpoints(run);
  const twin = saved.find((each) => each.step === step);
  const name = folderName({ step, copy: twin === undefined ? 0 : twin.copy + 1 });
  const temporary = join(folder, temporaryName());
  try {
    await makeFolder(folder);
    await removeLeftovers(run);
    await removeLeftovers(folder);
    await writeCheckpoint(temporary, checkpoint, write);
    await rename(temporary, join(folder, name));
    await syncFolder(folder);
    await link(run, 'last', name);
    if (best?.step === step) await link(run, 'best', name);
    await syncFolder(run);
    const replaced = saved.filter((each) => each.step === step);
    const others = saved.filter((each) => each.step !== step && each.step !== best?.step);
    for (const each of [...replaced, ...others.slice(keep - 1)]) {
      // Removing takes several steps. Renamed first, it is never an incomplete folder under a checkpoint's name.
      const removed = join(folder, temporaryName());
      await rename(join(folder, each.name), removed);
      await remove(removed);
    }
  } catch (error) {
    await remove(temporary).catch(() => {});
    throw saveError(error, join(folder, name), run, saved.length > 0);
  }
}

/** Removes what an interrupted save left behind. Only one save runs at a time, so every temporary name is a leftover. */
async function removeLeftovers(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(TEMPORARY));
  await Promise.all(names.map((name) => remove(join(folder, name))));
}

async function writeCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  write: typeof writeFileSynced,
): Promise<void> {
  await mkdir(folder);
  const tensors = encodeTensors(checkpoint);
  const files = {
    model: await write(join(folder, TENSOR_FILES.model), tensors.model),
    optimizer: await write(join(folder, TENSOR_FILES.optimizer), tensors.optimizer),
  };
  await write(join(folder, DOCUMENT), [new TextEncoder().encode(await encodeDocument(checkpoint, files))]);
  await syncFolder(folder);
}

/** Writes a new file and waits until it is on the disk itself. */
export async function writeFileSynced(path: string, pieces: readonly Uint8Array[]): Promise<FileSum> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'wx');
  try {
    for (const piece of pieces) {
      for (let from = 0; from < piece.length; from += CHUNK_BYTES) {
        const chunk = piece.subarray(from, from + CHUNK_BYTES);
        hash.update(chunk);
        await writeAll(file, chunk);
        bytes += chunk.length;
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** Syncs the list of names in a folder, so that they survive a power cut. Windows cannot sync folders. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes `run/name` a link to a checkpoint. */
async function link(run: string, name: Link, target: string): Promise<void> {
  const temporary = join(run, temporaryName());
  const path = join(run, name);
  try {
    await symlink(join(CHECKPOINTS, target), temporary, 'dir');
    await rename(temporary, path).catch(async () => {
      // A folder stands in the link's place, because the run was copied with its links followed. Or this is Windows.
      await remove(path);
      await rename(temporary, path);
    });
  } catch {
    // This file system has no links. What stands in the link's place would name an older checkpoint.
    await remove(path);
  }
}

function temporaryName(): string {
  return `${TEMPORARY}${randomUUID()}`;
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

function saveError(error: unknown, path: string, run: string, hasPrevious: boolean): unknown {
  if (!existsSync(run)) {
    return new UserError(
      `cannot save ${path}: the folder of the run was removed or moved, and is not made again`,
    );
  }
  const meaning = systemErrorMeaning(error);
  if (meaning === undefined) return error;
  const kept = hasPrevious ? `; earlier checkpoints are intact; resume from them with: --resume ${run}` : '';
  return new UserError(`cannot save ${path}: ${meaning}${kept}`);
}

interface SavedCheckpoint {
  readonly name: string;
  readonly step: number;
  /** 0, or 1, 2, … for a later checkpoint of the same step: an earlier one is never overwritten, only replaced. */
  readonly copy: number;
}

function folderName({ step, copy }: Omit<SavedCheckpoint, 'name'>): string {
  return `${stepName(step)}${copy === 0 ? '' : `.${copy}`}`;
}

/** The checkpoints of a run, newest first. Empty if the folder is not a run. */
async function listCheckpoints(run: string): Promise<SavedCheckpoint[]> {
  const names = await readdir(join(run, CHECKPOINTS)).catch(() => []);
  return names
    .flatMap((name) => {
      const match = /^step-(\d+)(?:\.(\d+))?$/.exec(name);
      return match === null ? [] : [{ name, step: Number(match[1]), copy: Number(match[2] ?? 0) }];
    })
    .sort((a, b) => b.step - a.step || b.copy - a.copy);
}

/** Whether a run has a checkpoint to resume from. */
export async function hasCheckpoint(run: string): Promise<boolean> {
  return (await listCheckpoints(run)).length > 0;
}

/**
 * Loads a whole checkpoint. `path` is the folder of a run (then its last checkpoint is loaded), `last` or `best` in it,
 * or the folder of a checkpoint. Throws a UserError that names the file and what is wrong with it.
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const folder = await findCheckpoint(path);
  const document = await readDocument(folder);
  const model = await readModel(folder, document);
  const file = join(folder, TENSOR_FILES.optimizer);
  const optimizer = decodeOptimizer(document, await readFile(file, document.files.optimizer), file);
  return { ...model, optimizer };
}

/** As `loadCheckpoint`, without reading the optimizer's state. */
export async function loadModel(path: string): Promise<ModelCheckpoint> {
  const folder = await findCheckpoint(path);
  return readModel(folder, await readDocument(folder));
}

/** How a run's metrics are shown, as its last checkpoint says that can be read; without one, or where it is old, as those of old runs. */
export async function readMetricInfos(run: string): Promise<MetricInfos> {
  for (const { name } of await listCheckpoints(run)) {
    try {
      return (await readDocument(join(run, CHECKPOINTS, name))).metrics ?? OLD_METRICS;
    } catch (error) {
      // One that is damaged is told of where it is used; an older one says the same.
      if (!(error instanceof UserError)) throw error;
    }
  }
  return OLD_METRICS;
}

/** The file with the options of a checkpoint, to be named in errors; `path` as for `loadCheckpoint`. */
export async function documentFile(path: string): Promise<string> {
  return join(await findCheckpoint(path), DOCUMENT);
}

/** The folder of the run that a path, as `loadCheckpoint` takes it, belongs to. */
export function runFolderOf(path: string): string {
  const above = dirname(path);
  if (basename(above) === CHECKPOINTS) return dirname(above);
  return isLink(basename(path)) ? above : path;
}

function isLink(name: string): name is Link {
  return name === 'last' || name === 'best';
}

async function findCheckpoint(path: string): Promise<string> {
  if (existsSync(join(path, DOCUMENT))) return followed(path);
  const name = basename(path);
  const wanted = isLink(name) ? name : 'last';
  const run = isLink(name) ? dirname(path) : path;
  const linked = join(run, wanted);
  if (existsSync(join(linked, DOCUMENT))) return followed(linked);

  const saved = await listCheckpoints(run);
  const [newest] = saved;
  if (newest === undefined) {
    if (!existsSync(path)) throw new UserError(`${path}: no such folder; expected a run or a checkpoint`);
    throw new UserError(
      `${path}: no checkpoint in it; expected ${DOCUMENT}, or the folder of a run that has saved at least once`,
    );
  }
  const newestFolder = join(run, CHECKPOINTS, newest.name);
  if (wanted === 'last') return newestFolder;
  const { best } = await readDocument(newestFolder);
  const found = saved.find(({ step }) => step === best?.step);
  if (found === undefined)
    throw new UserError(`${path}: the run has no best checkpoint; take ${join(run, 'last')}`);
  return join(run, CHECKPOINTS, found.name);
}

/** The folder that a link points to. The link itself may be changed before all files of the checkpoint are read. */
async function followed(path: string): Promise<string> {
  const target = await readlink(path).catch(() => basename(path));
  return isAbsolute(target) ? target : join(dirname(path), target);
}

async function readDocument(folder: string): Promise<CheckpointDocument> {
  const path = join(folder, DOCUMENT);
  return decodeDocument(await readJsonFile(path), path);
}

async function readModel(folder: string, document: CheckpointDocument): Promise<ModelCheckpoint> {
  const file = join(folder, TENSOR_FILES.model);
  const frozen = await readFrozen(folder, document);
  return decodeModel(document, await readFile(file, document.files.model), file, frozen);
}

/** The variables that the run does not train: in its folder once, for all its checkpoints. */
async function readFrozen(folder: string, { files }: CheckpointDocument): Promise<readonly NamedTensor[]> {
  if (!files.frozen) return [];
  const file = join(runFolderOf(folder), FROZEN_FILE);
  return finiteTensors(await readFile(file, files.frozen), file);
}

/**
 * Writes the variables that a run does not train into its folder, where its checkpoints look for them. Throws a UserError
 * if they cannot be written.
 */
export async function saveFrozen(run: string, tensors: readonly NamedTensor[]): Promise<FileSum> {
  const file = join(run, FROZEN_FILE);
  const temporary = join(run, temporaryName());
  try {
    const sum = await writeFileSynced(temporary, encodeSafetensors(tensors, { producer: 'ortgrad' }));
    await rename(temporary, file);
    return sum;
  } catch (error) {
    await remove(temporary).catch(() => {});
    throw saveError(error, file, run, false);
  }
}

/** What the run's checkpoints say of that file, from the last of them; none where everything is trained. */
export async function frozenOf(run: string): Promise<FileSum | undefined> {
  const { files } = await readDocument(await findCheckpoint(run));
  return files.frozen;
}

/** The bytes of a tensor file. Throws a UserError if they are not the bytes that were saved. */
async function readFile(path: string, expected: FileSum): Promise<Uint8Array> {
  const file = await open(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  try {
    const { size } = await file.stat();
    if (size !== expected.bytes) {
      const cause = size < expected.bytes ? 'it is truncated' : 'it belongs to another checkpoint';
      throw new UserError(`${path}: expected ${expected.bytes} bytes, got ${size}: ${cause}; ${INSTEAD}`);
    }
    const bytes = new Uint8Array(size);
    const hash = createHash('sha256');
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(CHUNK_BYTES, size - at), at);
      if (bytesRead === 0) throw new UserError(`${path}: ended while it was read, at byte ${at} of ${size}`);
      hash.update(bytes.subarray(at, at + bytesRead));
      at += bytesRead;
    }
    if (hash.digest('hex') !== expected.sha256) {
      throw new UserError(`${path}: its bytes are not those that were saved (SHA-256 differs); ${INSTEAD}`);
    }
    return bytes;
  } finally {
    await file.close();
  }
}

const INSTEAD = 'take another checkpoint of the run, from its folder checkpoints';
