/** A run of `fit`, ready to begin: its trainer made, its arrays filled. Also for browsers. */
import { createResidentSession, createSession, expectDevice } from '#runtime';
import type { TaskGraphs } from '../artifacts/graphs.ts';
import type { Arrays } from '../data/arrays.ts';
import { UserError } from '../errors.ts';
import { serialize } from '../onnx/serialize.ts';
import { createDeviceTrainer } from '../run/device-trainer.ts';
import { createHostTrainer } from '../run/host-trainer.ts';
import type { Trainer } from '../run/trainer.ts';
import { expectPattern, finds } from './plan.ts';
import { type Prepared, prepare } from './prepared.ts';
import { decodeSaved, type SavedRun } from './saved.ts';
import { FitSession } from './session.ts';
import type { FitOptions, Model, OpenFit } from './types.ts';
import { expectWeights } from './weights.ts';
/**
 * A run to be gone through by a loop of one's own: `for await (const event of run) …`, then `run.result()`. Options are
 * those of `fit`; it calls none of their callbacks, and stops where the loop says so. Throws UserError, before anything is trained, where something is not valid.
 */
export function openFit<const D extends Arrays, M extends Model<D>>(
  options: FitOptions<D, M>,
): Promise<OpenFit<Parameters<M>[1], ReturnType<M>, D>>;
export async function openFit(options: FitOptions<Arrays, Model<Arrays>>): Promise<FitSession> {
  const prepared = prepare(options);
  if (prepared.session.device !== 'cpu') await expectDevice(prepared.session.device);
  const trainer = trainerOf(prepared);
  const saved = options.resume === undefined ? undefined : decodeSaved(options.resume);
  const session = new FitSession(prepared, trainer, saved);
  try {
    if (saved) await resume(session, trainer, saved);
    else begin(prepared, trainer);
    return session;
  } catch (error) {
    await session.release();
    throw error;
  }
}

function trainerOf({ manifest, graphs, plan, batchSize, seed, session }: Prepared): Trainer {
  const load = (name: Parameters<TaskGraphs['graph']>[0]) =>
    createSession(serialize(graphs.graph(name)), session);
  if (session.device !== 'webgpu') {
    return createHostTrainer({ manifest, plan: plan.step, batchSize, seed, load });
  }
  if (manifest.microBatch !== batchSize) {
    throw new UserError(
      'microBatch: on webgpu a batch goes through at once; leave it out, or take a smaller batchSize',
    );
  }
  return createDeviceTrainer({
    ...{ manifest, graphs, plan: plan.step, seed, load },
    open: (model, next) => createResidentSession(model, session, next),
  });
}

/** Fills the arrays: from the seed, or from weights that are given. */
function begin({ options, manifest, seed }: Prepared, trainer: Trainer): void {
  const { initialWeights, fresh } = options;
  trainer.variables.initialize(seed);
  if (initialWeights !== undefined) {
    if (fresh !== undefined) expectPattern('fresh', fresh);
    const isFresh = (path: string): boolean => fresh !== undefined && finds(fresh, path);
    const kept = Object.fromEntries(Object.entries(initialWeights).filter(([path]) => !isFresh(path)));
    const wanted = manifest.variables.filter(({ path }) => !isFresh(path));
    for (const { name, data } of expectWeights('initialWeights', kept, wanted)) {
      if (data instanceof Float32Array) trainer.variables.put(name, data);
    }
  } else if (fresh !== undefined) {
    throw new UserError('fresh: has an effect only with initialWeights');
  }
}

/** Fills the arrays with what was saved. */
async function resume(session: FitSession, trainer: Trainer, saved: SavedRun): Promise<void> {
  await session.expectSame(saved.document);
  const { variables, slots } = trainer;
  variables.restoreVariables(['trainable', 'state'], saved.now, 'resume');
  variables.restoreVariables(['frozen'], saved.frozen, 'resume');
  for (const [slot, arrays] of Object.entries(slots)) {
    variables.restore(arrays, saved.slots[slot] ?? [], 'resume');
  }
}
