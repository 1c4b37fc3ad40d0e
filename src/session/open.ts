/** A session's files and options → its arrays, graphs and plan. Also for browsers. */
import { expectDevice, tensorConstructor } from '#runtime';
import type { ManifestVariable } from '../artifacts/manifest.ts';
import { show, UserError } from '../errors.ts';
import { threadsFor } from '../fit/prepared.ts';
import type { Variable } from '../layers/scope.ts';
import { openTrunk, type TrunkRunner } from '../run/trunk.ts';
import type { OrtTensorConstructor, SessionOptions } from '../runtime/session.ts';
import type { Schedule } from '../step/schedule.ts';
import type { Fields } from '../tasks/task.ts';
import { restoreCheckpoint } from './checkpoint.ts';
import { SessionCore } from './core.ts';
import type { EvaluationDocument, TrainingDocument } from './document.ts';
import {
  bytesOf,
  openCheckpoint,
  openEvaluation,
  openOptimizer,
  openTraining,
  type UriOrBuffer,
} from './files.ts';
import { recall, type Wanted } from './live.ts';
import { deviceOf, expectSessionOptions, type TrainingSessionOptions } from './options.ts';
import { optionsIn, taskFrom } from './recipe.ts';
import { optimizerIn, optimizerOf, planGr, regularizerOf } from './rules.ts';
import { FileSource, type GraphSource, TaskSource, type TrainingFile } from './source.ts';

/** The files of a session: bytes, or where they lie (in node a path, in a page an address). */
export interface TrainingSessionCreateOptions {
  /** Weights to begin with, or what `toCheckpoint` gave. */
  readonly checkpointState: UriOrBuffer;
  readonly trainModel: UriOrBuffer;
  /** Without it there is no `runEvalStep`. */
  readonly evalModel?: UriOrBuffer;
  /** Without it, and without the option `optimizer`, there is no `runOptimizerStep`. */
  readonly optimizerModel?: UriOrBuffer;
  /** What comes before all that is trained, where there is such a part. */
  readonly trunkModel?: UriOrBuffer;
  /** The file that all was made from: batches of any size, and its own nodes where it is exported. */
  readonly forwardModel?: UriOrBuffer;
}

/** What a session was opened with. */
export interface Opened {
  readonly core: SessionCore;
  readonly source: GraphSource;
  readonly training: TrainingDocument;
  readonly evaluation: { readonly document: EvaluationDocument; readonly model: Uint8Array } | undefined;
  readonly hasOptimizer: boolean;
  readonly session: SessionOptions;
  /** What the data go through before the graphs. */
  readonly trunk: TrunkRunner | undefined;
  /** What a call is fed. */
  readonly fields: Fields;
  readonly Constructor: OrtTensorConstructor;
  readonly learningRate: number;
  readonly schedule: Schedule | undefined;
  readonly weightDecay: number;
}

/** Throws UserError for files that are not of this library or do not belong together, and for options that are none. */
export async function openSession(
  files: TrainingSessionCreateOptions,
  options: TrainingSessionOptions,
): Promise<Opened> {
  if (typeof files !== 'object' || files === null) {
    throw new UserError(
      `TrainingSession.create: expected { checkpointState, trainModel, evalModel, optimizerModel }, got ${show(files)}`,
    );
  }
  expectSessionOptions(options);
  const device = deviceOf(options);
  const trainModel = await bytesOf('trainModel', files.trainModel);
  const file = openTraining(trainModel);
  const checkpoint = openCheckpoint(await bytesOf('checkpointState', files.checkpointState));
  const evalModel = files.evalModel === undefined ? undefined : await bytesOf('evalModel', files.evalModel);
  const written =
    files.optimizerModel === undefined
      ? undefined
      : openOptimizer(await bytesOf('optimizerModel', files.optimizerModel));
  const own = options.optimizer === undefined ? undefined : optimizerOf(options.optimizer);
  const optimizer = own ?? (written && optimizerIn(written, 'optimizerModel'));
  const evaluation = evalModel && { document: openEvaluation(evalModel), model: evalModel };
  if (device !== 'cpu') await expectDevice(device);
  const target = device === 'webgpu' ? 'webgpu' : 'cpu';
  const { document } = file;
  const wanted = { target, microBatch: options.microBatch } as const;
  const forward = files.forwardModel && (await bytesOf('forwardModel', files.forwardModel));
  const source = recall(trainModel)?.(wanted) ?? sourceOf(file, forward, wanted);
  const { manifest } = document;
  const session: SessionOptions = {
    device,
    threads: options.threads ?? threadsFor(manifest.variables),
    ...(options.wasmPaths !== undefined && { wasmPaths: options.wasmPaths }),
  };
  const choice = options.gr === undefined ? (document.gr ?? undefined) : regularizerOf(options.gr);
  const { learningRate = optimizer?.learningRate ?? 0, weightDecay = optimizer?.weightDecay ?? 0 } = options;
  const core = new SessionCore({
    ...{ source, manifest, session, seed: options.seed ?? 0, hasOptimizer: optimizer !== undefined },
    plan: {
      ...planGr(choice, options.warmupSteps ?? 0),
      rule: (optimizer ?? optimizerOf('sgd')).rule,
      learningRate: () => learningRate,
      weightDecay,
      weightDecayIn: optimizer?.weightDecayIn ?? 'update',
      clip: options.clip ?? written?.clip ?? 0,
    },
  });
  const rates = restoreCheckpoint(core, checkpoint, 'checkpointState');
  const trunk = await trunkIn(document, files.trunkModel, session);
  return {
    ...{ trunk, fields: document.trunk?.fields ?? manifest.fields },
    ...{ core, source, training: document, evaluation, session, schedule: options.schedule },
    hasOptimizer: optimizer !== undefined,
    Constructor: await tensorConstructor(device),
    learningRate: options.learningRate ?? rates?.learningRate ?? learningRate,
    weightDecay: options.weightDecay ?? rates?.weightDecay ?? weightDecay,
  };
}

/** The graphs of a file: written anew where the model that they were made from is there, else as they are. */
function sourceOf(file: TrainingFile, forward: Uint8Array | undefined | '', wanted: Wanted): GraphSource {
  const { document } = file;
  const { recipe, manifest, memory, outputs } = document;
  if (!forward || !recipe) {
    expectWritten(document, wanted);
    return new FileSource(file);
  }
  const { task, exported } = taskFrom(forward, recipe.loss, optionsIn(recipe));
  const variables = new Map(manifest.variables.map((variable) => [variable.path, variable]));
  const known = ({ path }: Pick<Variable, 'path'>): ManifestVariable => {
    const variable = variables.get(path);
    if (variable) return variable;
    throw new UserError(
      `forwardModel: ${path} is no variable of trainModel: it is another file than that was made from`,
    );
  };
  return new TaskSource(task, {
    ...{ name: manifest.name, memory, predicts: outputs, exported, ...wanted },
    roles: (variable) => known(variable).role,
    rates: known,
  });
}

async function trunkIn(
  { trunk, manifest }: TrainingDocument,
  given: UriOrBuffer | undefined,
  session: SessionOptions,
): Promise<TrunkRunner | undefined> {
  if (!trunk) return undefined;
  if (given === undefined) {
    throw new UserError(
      'trunkModel: expected what generateArtifacts gave besides trainModel, which takes what that computes, got none',
    );
  }
  const bytes = await bytesOf('trunkModel', given);
  const { fields, ...graph } = trunk;
  return openTrunk(
    { fields: manifest.fields, trunk: { fields, graphs: [{ ...graph, bytes: () => bytes }] } },
    session,
  );
}

/** Throws UserError where graphs that are written already are asked to be others. */
function expectWritten(document: TrainingDocument, { target, microBatch }: Wanted): void {
  if (target === 'webgpu' && document.target !== 'webgpu') {
    throw new UserError(
      "device webgpu: these artifacts were written for the CPU; generate them with target: 'webgpu'",
    );
  }
  if (microBatch !== undefined) {
    throw new UserError(
      'microBatch: these artifacts are a file, whose graphs are written already; generate them with that batchSize',
    );
  }
}
