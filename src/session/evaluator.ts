/** `evalModel`, loaded when it is first needed: the loss and the outputs of a batch as inference computes them. Also for browsers. */
import { createSession } from '#runtime';
import type { Batch } from '../data/batch.ts';
import { UserError } from '../errors.ts';
import { fieldFeeds, runOn, scalarTensor } from '../run/engine.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { EvaluationDocument } from './document.ts';
import type { Opened } from './open.ts';
import { lossIn } from './results.ts';

export class Evaluator {
  readonly #opened: Opened;
  #loaded: Promise<Session> | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  /** Throws UserError where there is no such model. */
  get document(): EvaluationDocument {
    return this.#evaluation.document;
  }

  /** By the names of outputs, the loss among them. */
  async run({ examples, fields }: Batch): Promise<Record<string, Tensor>> {
    const { core, training, session } = this.#opened;
    const { document, model } = this.#evaluation;
    // Its memory is given back after a run: evaluations are few, and their batches large.
    this.#loaded ??= createSession(model, { ...session, keepsMemory: false });
    const feeds = { ...core.variables.feeds, ...fieldFeeds(training.manifest, fields, examples) };
    const out = await runOn(await this.#loaded, feeds);
    const outputs = Object.keys(document.outputs).flatMap((name): [string, Tensor][] => {
      const tensor = out[`output/${name}`];
      return tensor ? [[name, tensor]] : [];
    });
    return {
      ...Object.fromEntries(outputs),
      [document.lossName]: scalarTensor(lossIn(document, out, examples)),
    };
  }

  async release(): Promise<void> {
    await (await this.#loaded)?.release();
  }

  get #evaluation(): NonNullable<Opened['evaluation']> {
    const { evaluation } = this.#opened;
    if (evaluation) return evaluation;
    throw new UserError('TrainingSession: this session has no evalModel; create it with one');
  }
}
