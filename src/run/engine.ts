/**
 * A batch → its loss and derivatives, by whichever graphs and however many runs that takes: micro-batches only add, since
 * what the loss is divided by is known before the pass. Knows variables by path and graphs by their contract
 * (artifacts/graphs.ts), and nothing of models, regularizers or optimizers. Also for browsers.
 */
import type { GraphName } from '../artifacts/graphs.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { bytesOf } from '../bytes.ts';
import { type Batch, cutFields, emptyField, type FieldData } from '../data/batch.ts';
import type { Session, Tensor } from '../runtime/session.ts';
import type { Arrays, HostDerivatives } from '../step/host.ts';
import type { Group } from '../step/program.ts';
import { combine } from '../step/vectors.ts';
import type { Fields } from '../tasks/task.ts';

import { drawMask, drawUniform, type RandomPlace } from './masks.ts';
import type { VariableArrays } from './variables.ts';

type Feeds = Readonly<Record<string, Tensor>>;
type Outputs = Readonly<Record<string, Tensor>>;

/** What the first pass over a batch tells. */
export interface PassResult {
  /** The clean loss of the whole batch. */
  readonly loss: number;
  /** Of the metrics, by `<metric>/<sum>`, added over the batch in float64. */
  readonly sums: Readonly<Record<string, Float64Array>>;
  /** What the state variables become, by path. */
  readonly state: Readonly<Record<string, Float32Array>>;
  /** Of the whole batch, what the graphs were asked to give of the task's outputs. */
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export interface BatchPass {
  readonly derivatives: HostDerivatives;
  /** Of the first derivative, once that has been taken. */
  result(): PassResult;
}

/** What a pass depends on besides its examples. */
export interface PassAbout {
  /** Counted from 0; random numbers are drawn for it. */
  readonly step: number;
  /** Scalars of the task by name; others have their defaults. */
  readonly scalars?: Readonly<Record<string, number>>;
  /** Parts of the batch that move the state apart from each other, as on devices of their own; 1 where it is left out. */
  readonly groups?: number;
  /** Where the examples are only a part of a batch, as in one of several processes that add up what their parts give. */
  readonly partOf?: {
    /** How many examples of the whole batch come before these. */
    readonly first: number;
    /** The sum of `weights` over all parts. */
    readonly weights: Readonly<Record<string, number>>;
  };
}

export interface Engine {
  /** The passes over a batch, whose size is a multiple of the micro-batch. */
  pass(batch: Batch, about: PassAbout): Promise<BatchPass>;
  /** What the terms of the loss are divided by, by name. They add up over the parts of a batch. */
  weights(batch: Batch): Promise<Readonly<Record<string, number>>>;
  /** Lets go of graphs, to be loaded again when they are next needed. */
  free(graphs: readonly GraphName[]): Promise<void>;
  release(): Promise<void>;
}

export interface EngineOptions {
  readonly manifest: Manifest;
  readonly variables: VariableArrays;
  /** Of the random numbers. */
  readonly seed: number;
  /** Loads one of the graphs; called when it is first needed. */
  readonly load: (graph: GraphName) => Promise<Session>;
}

export function createEngine({ manifest, variables, seed, load }: EngineOptions): Engine {
  const sessions = new Map<GraphName, Promise<Session>>();
  const session = (graph: GraphName): Promise<Session> => {
    const loaded = sessions.get(graph) ?? load(graph);
    sessions.set(graph, loaded);
    return loaded;
  };
  const free = async (graphs: readonly GraphName[]): Promise<void> => {
    for (const graph of graphs) {
      const loaded = sessions.get(graph);
      sessions.delete(graph);
      await (await loaded)?.release();
    }
  };
  return {
    async pass(batch, { step, scalars = {}, groups = 1, partOf }) {
      const weights = partOf?.weights ?? (await weightsOf(manifest, batch, session));
      const fixed = { ...weightFeeds(weights), ...scalarFeeds(manifest, scalars) };
      const random = { seed, step, first: partOf?.first ?? 0 };
      return new Pass({ manifest, variables, session, batch, fixed, groups }, random);
    },
    weights: (batch) => weightsOf(manifest, batch, session),
    free,
    release: () => free([...sessions.keys()]),
  };
}

/** What the graph of a whole step takes of its batch, which goes through in one pass. */
export async function batchFeeds(
  manifest: Manifest,
  batch: Batch,
  { scalars = {}, ...random }: { seed: number; step: number; scalars?: Readonly<Record<string, number>> },
  session: (graph: GraphName) => Promise<Session>,
): Promise<Record<string, Tensor>> {
  return {
    ...weightFeeds(await weightsOf(manifest, batch, session)),
    ...scalarFeeds(manifest, scalars),
    ...fieldFeeds(manifest, batch.fields, batch.examples),
    ...randomFeeds(manifest, { ...random, first: 0, count: batch.examples }),
  };
}

function randomFeeds({ masks, uniforms }: Manifest, place: RandomPlace): Feeds {
  return Object.fromEntries([
    ...masks.map((mask): [string, Tensor] => [mask.name, drawMask(mask, place)]),
    ...uniforms.map((uniform): [string, Tensor] => [uniform.name, drawUniform(uniform, place)]),
  ]);
}

/** The weights as inputs: 1 where nothing has a weight. */
function weightFeeds(weights: Readonly<Record<string, number>>): Feeds {
  return Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => [`weight/${name}`, scalarTensor(weight || 1)]),
  );
}

/** What the terms of the loss are divided by, for all examples of a batch. */
async function weightsOf(
  manifest: Manifest,
  batch: Batch,
  session: (graph: GraphName) => Promise<Session>,
): Promise<Record<string, number>> {
  const parts = batch.examples / manifest.microBatch;
  const weighted = manifest.terms.some((term) => term.weighted);
  const outputs = weighted
    ? await runOn(await session('weights'), fieldFeeds(manifest, batch.fields, batch.examples))
    : {};
  return Object.fromEntries(
    manifest.terms.map((term) => {
      const mean = term.perExample === 0 ? parts : term.perExample * batch.examples;
      return [term.name, term.weighted ? numberOf(outputs, `weight/${term.name}`) : mean];
    }),
  );
}

interface PassOptions {
  readonly manifest: Manifest;
  readonly variables: VariableArrays;
  readonly session: (graph: GraphName) => Promise<Session>;
  readonly batch: Batch;
  /** Scalars and weights. */
  readonly fixed: Feeds;
  readonly groups: number;
}

class Pass implements BatchPass {
  readonly derivatives: HostDerivatives;
  readonly #options: PassOptions;
  readonly #random: { readonly seed: number; readonly step: number; readonly first: number };
  readonly #parts: number;
  /** Micro-batches that move the state one after the other. */
  readonly #perGroup: number;
  /** Random numbers, kept for the second pass where the batch goes through in one. */
  #drawn: Feeds | undefined;
  /** What each micro-batch of the clean pass read of the state, which a pass that goes over it again reads, too. */
  readonly #stateRead: Feeds[] = [];
  #result: PassResult | undefined;

  /** What the clean micro-batches gave until now, while groups of them go on. */
  readonly #clean: Outputs[] = [];

  constructor(
    options: PassOptions,
    random: { readonly seed: number; readonly step: number; readonly first: number },
  ) {
    const { manifest, batch } = options;
    if (batch.examples === 0 || batch.examples % manifest.microBatch !== 0) {
      throw new Error(
        `internal: a batch of ${batch.examples} is no multiple of the micro-batch ${manifest.microBatch}`,
      );
    }
    this.#options = options;
    this.#random = random;
    this.#parts = batch.examples / manifest.microBatch;
    this.#perGroup = this.#parts / options.groups;
    this.derivatives = {
      gradient: (at, group) => this.#gradient(at, group),
      hessianTimes: (v) => this.#hessianTimes(v),
      // One graph does everything where it sees the whole batch.
      ...(this.#parts === 1 && {
        whole: (_name: string, scalars: readonly number[]) => this.#exact(scalars),
      }),
    };
  }

  result(): PassResult {
    if (!this.#result) throw new Error('internal: a pass that was not begun');
    return this.#result;
  }

  async #gradient(at: Arrays | undefined, { index, of }: Group = WHOLE): Promise<Arrays> {
    const size = this.#parts / of;
    if (!Number.isInteger(size)) {
      throw new Error(`internal: ${this.#parts} micro-batches cannot be cut into ${of} groups`);
    }
    const { manifest, variables, session } = this.#options;
    const graph = await session('loss-grad');
    const weights = at ? variables.feedsAt(at) : variables.feeds;
    const isClean = this.#result === undefined;
    let gradients: Float32Array[] = [];
    for (let k = index * size; k < (index + 1) * size; k++) {
      const out = await graph.run({ ...weights, ...this.#feeds(k) });
      if (isClean) {
        if (!this.#endsGroup(k)) this.#readState(k + 1, out);
        this.#clean.push(withoutGradients(out));
      }
      gradients = accumulate(gradients, arraysOf(out, 'grad', manifest));
    }
    if (isClean && index === of - 1) this.#result = this.#resultOf(this.#clean.splice(0));
    return gradients;
  }

  async #hessianTimes(vector: Arrays): Promise<Arrays> {
    const { manifest, variables, session } = this.#options;
    const graph = await session('hvp');
    const along = variables.parameters.map(({ path, shape }, k): [string, Tensor] => [
      `vector/${path}`,
      { dtype: 'float32', shape, data: vector[k] ?? new Float32Array() },
    ]);
    const feeds = { ...variables.feeds, ...Object.fromEntries(along) };
    let products: Float32Array[] = [];
    for (let k = 0; k < this.#parts; k++) {
      const out = await graph.run({ ...feeds, ...this.#feeds(k) });
      products = accumulate(products, arraysOf(out, 'hvp', manifest));
    }
    return products;
  }

  async #exact([lambda = 0]: readonly number[]): Promise<{ gradient: Arrays; gradNorm: number }> {
    const { manifest, variables, session } = this.#options;
    const graph = await session('gr-exact');
    const out = await graph.run({ ...variables.feeds, ...this.#feeds(0), lambda: scalarTensor(lambda) });
    this.#result = this.#resultOf([out]);
    return { gradient: arraysOf(out, 'grad', manifest), gradNorm: numberOf(out, 'grad_norm') };
  }

  #endsGroup(k: number): boolean {
    return (k + 1) % this.#perGroup === 0;
  }

  /** The inputs of a micro-batch beside the parameters. */
  #feeds(k: number): Feeds {
    const { manifest, batch, fixed } = this.#options;
    const size = manifest.microBatch;
    const fields = cutFields(batch.fields, manifest.fields, k * size, (k + 1) * size);
    return { ...fixed, ...fieldFeeds(manifest, fields, size), ...this.#randomsOf(k), ...this.#stateRead[k] };
  }

  #randomsOf(k: number): Feeds {
    if (this.#drawn) return this.#drawn;
    const { manifest } = this.#options;
    const count = manifest.microBatch;
    const feeds = randomFeeds(manifest, { ...this.#random, first: this.#random.first + k * count, count });
    if (this.#parts === 1) this.#drawn = feeds;
    return feeds;
  }

  /**
   * Clean micro-batches of a group update the state in sequence: number `k` reads what the one before has left. Each group
   * begins with the step's state, as a device that has it to itself.
   */
  #readState(k: number, out: Outputs): void {
    const { manifest } = this.#options;
    if (manifest.state.length === 0) return;
    this.#stateRead[k] = Object.fromEntries(
      manifest.state.map((path) => [path, tensorOf(out, `state/${path}`)]),
    );
  }

  /** The state becomes the mean of what each group leaves. */
  #resultOf(outputs: readonly Outputs[]): PassResult {
    const { manifest } = this.#options;
    const lasts = outputs.filter((_, k) => this.#endsGroup(k));
    return {
      loss: outputs.reduce((sum, out) => sum + numberOf(out, 'loss'), 0),
      sums: Object.fromEntries(
        Object.keys(manifest.sums.training).map((name) => [name, addUp(outputs, `sums/${name}`)]),
      ),
      state: Object.fromEntries(manifest.state.map((path) => [path, meanOf(lasts, `state/${path}`)])),
      outputs: Object.fromEntries(
        Object.keys(outputs[0] ?? {})
          .filter((name) => name.startsWith(OUTPUT))
          .map((name) => [
            name.slice(OUTPUT.length),
            rowsOf(
              name,
              outputs.map((out) => tensorOf(out, name)),
            ),
          ]),
      ),
    };
  }
}

const OUTPUT = 'output/';

/** The rows of several micro-batches' outputs, one after the other. */
function rowsOf(name: string, parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (!first) throw new Error(`internal: a pass without ${name}`);
  if (parts.length === 1) return first;
  const arrays = parts.map(({ data }) => data);
  const data = emptyField(
    first.dtype,
    arrays.reduce((length, array) => length + array.length, 0),
  );
  let end = 0;
  for (const array of arrays) {
    new Uint8Array(data.buffer, end).set(bytesOf(array));
    end += array.byteLength;
  }
  const [rows = 0, ...shape] = first.shape;
  return { dtype: first.dtype, shape: [rows * parts.length, ...shape], data };
}

/** All examples. */
const WHOLE: Group = { index: 0, of: 1 };

function withoutGradients(outputs: Outputs): Outputs {
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => !name.startsWith('grad/')));
}

/** A batch's fields as inputs of a graph. */
export function fieldFeeds(
  { fields }: { readonly fields: Fields },
  data: Readonly<Record<string, FieldData>>,
  examples: number,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]) => {
      const values = data[name];
      if (!values) throw new Error(`internal: a batch without ${name}`);
      return [name, { dtype, shape: [examples, ...shape], data: values }];
    }),
  );
}

/** Runs a graph that may take fewer inputs than there are. */
export function runOn(session: Session, feeds: Feeds): Promise<Record<string, Tensor>> {
  return session.run(
    Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.includes(name))),
  );
}

function scalarFeeds({ scalars }: Manifest, given: Readonly<Record<string, number>>): Feeds {
  return Object.fromEntries(
    scalars.map(({ name, default: standard }) => [`scalar/${name}`, scalarTensor(given[name] ?? standard)]),
  );
}

export function scalarTensor(value: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

/** The mean of an output over several runs. */
function meanOf(outputs: readonly Outputs[], name: string): Float32Array {
  const [first] = outputs;
  if (first && outputs.length === 1) return floatsOf(first, name);
  return Float32Array.from(addUp(outputs, name), (total) => total / outputs.length);
}

/** The sums of an output over several runs, in float64. */
export function addUp(outputs: readonly Outputs[], name: string): Float64Array {
  const [first] = outputs;
  const total = Float64Array.from(first ? floatsOf(first, name) : []);
  for (const out of outputs.slice(1)) {
    const values = floatsOf(out, name);
    for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (values[i] ?? 0);
  }
  return total;
}

function tensorOf(outputs: Outputs, name: string): Tensor {
  const tensor = outputs[name];
  if (!tensor) throw new Error(`internal: the graph gave no ${name}`);
  return tensor;
}

export function floatsOf(outputs: Outputs, name: string): Float32Array {
  const { data } = tensorOf(outputs, name);
  if (!(data instanceof Float32Array)) throw new Error(`internal: the graph gave no float32 ${name}`);
  return data;
}

export function numberOf(outputs: Outputs, name: string): number {
  return floatsOf(outputs, name)[0] ?? Number.NaN;
}

function arraysOf(outputs: Outputs, prefix: string, { variables }: Manifest): Float32Array[] {
  return variables
    .filter(({ role }) => role === 'trainable')
    .map(({ path }) => floatsOf(outputs, `${prefix}/${path}`));
}

/** The sum, in the first arrays given: a session's outputs are nobody else's. */
function accumulate(sums: Float32Array[], terms: Float32Array[]): Float32Array[] {
  if (sums.length === 0) return terms;
  sums.forEach((sum, k) => {
    const term = terms[k];
    if (!term) throw new Error('internal: gradients of different parameters');
    combine(sum, 1, sum, 1, term);
  });
  return sums;
}
