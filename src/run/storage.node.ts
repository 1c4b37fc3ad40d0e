/** The folder of a run as its storage: checkpoints, written by a thread while training goes on. */
import path from 'node:path';
import { UserError } from '../errors.ts';
import { openModel } from '../inference/model.node.ts';
import type { Checkpoint, FileSum } from '../storage/checkpoint.ts';
import { notFinite } from '../storage/checkpoint.ts';
import { frozenOf, saveCheckpoint, saveFrozen } from '../storage/checkpoint-folder.node.ts';
import { openCheckpointWriter } from '../storage/checkpoint-writer.node.ts';
import type { NamedTensor } from '../storage/safetensors.ts';
import type { RunStorage } from './run.ts';
import { DivergedError } from './trainer.ts';

export interface FolderStorageOptions {
  readonly folder: string;
  readonly keep: number;
  /** Whether the arrays of what is saved are copies, which a thread may write while training goes on. */
  readonly copies: boolean;
  /** What a checkpoint says beside the run's state. */
  readonly about: Pick<Checkpoint, 'config' | 'generator' | 'graph' | 'dataset' | 'metrics'>;
  /** Called before each save: logs are to be on disk before the checkpoint that they belong to. */
  readonly before: () => Promise<void>;
  readonly remedies: string;
}

export interface FolderStorage extends RunStorage {
  /** Resolves when the last save is over, and throws what went wrong with it. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Saves into `folder`. `frozen`: the variables that are not trained, written once; a resumed run has them already.
 */
export async function openFolderStorage(
  options: FolderStorageOptions,
  frozen: readonly NamedTensor[],
  isResumed: boolean,
): Promise<FolderStorage> {
  const { folder, keep, copies, about, before, remedies } = options;
  const sum = await sumOf(folder, frozen, isResumed);
  const writer = openCheckpointWriter();
  let saving: Promise<void> = Promise.resolve();
  return {
    async save({ step, epoch, parameters, optimizer, best }) {
      await saving;
      await before();
      const checkpoint: Checkpoint = {
        ...about,
        ...{ step, epoch, parameters, optimizer, best },
        ...(sum && { frozen: sum }),
      };
      const broken = notFinite(checkpoint);
      if (broken !== undefined) throw new DivergedError(`step ${step}: ${broken} is not finite${remedies}`);
      saving = (copies ? writer.save : saveCheckpoint)(folder, checkpoint, { keep });
      saving.catch(() => {}); // awaited before the next one, and at the end
      // What is no copy must not change while it is written.
      if (!copies) await saving;
    },
    async best({ step }) {
      await saving;
      const { checkpoint, weights } = await openModel(path.join(folder, 'best'));
      if (checkpoint.step === step) return weights;
      throw new UserError(
        `${path.join(folder, 'best')}: expected the checkpoint of step ${step}, got that of step ${checkpoint.step}`,
      );
    },
    settled: () => saving,
    close: () => writer.close(),
  };
}

function sumOf(
  folder: string,
  frozen: readonly NamedTensor[],
  isResumed: boolean,
): Promise<FileSum | undefined> {
  if (frozen.length === 0) return Promise.resolve(undefined);
  return isResumed ? frozenOf(folder) : saveFrozen(folder, frozen);
}
