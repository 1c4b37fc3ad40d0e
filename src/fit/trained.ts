/** A trained model: what it predicts, how good it is, and its file. Also for browsers. */
import { createSession } from '#runtime';
import { inferenceGraph } from '../artifacts/graphs.ts';
import { type Arrays, type ArraysSplit, readArrays } from '../data/arrays.ts';
import type { Batch } from '../data/batch.ts';
import { batchesOf, IN_ORDER, inSequence } from '../data/batches.ts';
import { serialize } from '../onnx/serialize.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { fieldFeeds, floatsOf, runOn } from '../run/engine.ts';
import { measure } from '../run/measure.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import { ONLY_OUTPUT } from '../tasks/task.ts';
import { exportModel } from './export.ts';
import type { Prepared } from './prepared.ts';
import type { EpochRecord, Evaluated, ExportOptions, FitRun, UseOptions } from './types.ts';
import { expectWeights, type Weights } from './weights.ts';

type Ended = Pick<
  FitRun<never, never>,
  'history' | 'best' | 'step' | 'outcome' | 'weights' | 'averaged' | 'save'
>;

export class TrainedModel {
  readonly history: readonly EpochRecord[];
  readonly best: Ended['best'];
  readonly outcome: Ended['outcome'];
  readonly step: number;
  readonly weights: Weights;
  readonly averaged: Weights | undefined;
  readonly save: Ended['save'];
  readonly #prepared: Prepared;
  readonly #sessions = new Map<'infer' | 'evaluate', Promise<Session>>();

  constructor(prepared: Prepared, ended: Ended) {
    this.#prepared = prepared;
    this.history = ended.history;
    this.best = ended.best;
    this.outcome = ended.outcome;
    this.step = ended.step;
    this.weights = ended.weights;
    this.averaged = ended.averaged;
    this.save = ended.save;
  }

  async predict(
    arrays: Arrays,
    { weights }: UseOptions = {},
  ): Promise<Float32Array | Record<string, Float32Array>> {
    const session = await this.#session('infer');
    const fields = Object.entries(this.#prepared.manifest.fields);
    const read = fields.filter(([name]) => session.inputs.includes(name));
    const data = readArrays('predict', arrays, {
      fields: Object.fromEntries(read),
      asIn: 'data',
      more: fields.map(([name]) => name),
    });
    const shapes = this.#prepared.manifest.outputs;
    const results = Object.fromEntries(
      Object.entries(shapes).map(([name, { shape }]) => [
        name,
        new Float32Array(data.length * sizeOf(shape)),
      ]),
    );
    const variables = this.#feeds('predict', weights);
    for await (const batch of this.#batches(data)) {
      const own = fieldFeeds(data, batch.fields, batch.examples);
      const out = await runOn(session, { ...variables, ...own });
      for (const [name, { shape }] of Object.entries(shapes)) {
        results[name]?.set(floatsOf(out, name), batch.step * this.#prepared.evaluatedAtOnce * sizeOf(shape));
      }
    }
    const only = results[ONLY_OUTPUT];
    return this.#prepared.isSingle() && only ? only : results;
  }

  async evaluate(arrays: Arrays, { weights }: UseOptions = {}): Promise<Evaluated> {
    const { manifest, task } = this.#prepared;
    const data = readArrays('evaluate', arrays, { fields: manifest.fields, asIn: 'data' });
    const variables = this.#feeds('evaluate', weights);
    const session = await this.#session('evaluate');
    const { loss, metrics } = await measure(session, manifest, task.metrics, variables, this.#batches(data));
    return { loss, metrics };
  }

  export({ precision = 'fp32', weights = this.weights, metadata = {} }: ExportOptions = {}): Uint8Array {
    const { task, manifest, options } = this.#prepared;
    this.#feeds('export', weights);
    return exportModel({
      ...{ graph: inferenceGraph(task), manifest, precision, metadata },
      weights: new Map(Object.entries(weights).map(([path, { data }]) => [path, data])),
      name: options.name ?? 'model',
      step: this.step,
    });
  }

  async release(): Promise<void> {
    const loaded = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of loaded) await (await session).release();
  }

  #batches(data: ArraysSplit): AsyncIterable<Batch> {
    const batchSize = this.#prepared.evaluatedAtOnce;
    return inSequence(batchesOf(data.fields, data, { batchSize, ...IN_ORDER })).batches({ epoch: 0 });
  }

  /** The variables as inputs; throws UserError where other weights are not this model's. */
  #feeds(what: string, weights: Weights = this.weights): Record<string, Tensor> {
    const { variables } = this.#prepared.manifest;
    const tensors = expectWeights(`${what}: weights`, weights, variables);
    return Object.fromEntries(
      tensors.map(({ name, shape, data }): [string, Tensor] => [name, { dtype: 'float32', shape, data }]),
    );
  }

  #session(graph: 'infer' | 'evaluate'): Promise<Session> {
    const { graphs, session } = this.#prepared;
    const loaded = this.#sessions.get(graph) ?? createSession(serialize(graphs.graph(graph)), session);
    this.#sessions.set(graph, loaded);
    return loaded;
  }
}
