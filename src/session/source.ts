/**
 * Where the graphs of a session come from: written for the batch that is fed, while the task is at hand, or those that a
 * file holds. Also for browsers.
 */
import {
  type GraphName,
  inferenceGraph,
  type MemoryLevel,
  type ParameterRates,
  TaskGraphs,
} from '../artifacts/graphs.ts';
import { describeTask, type Manifest } from '../artifacts/manifest.ts';
import { UserError } from '../errors.ts';
import type { Role, Variable } from '../layers/scope.ts';
import type { Graph } from '../onnx/graph.ts';
import { read } from '../onnx/read.ts';
import { serialize } from '../onnx/serialize.ts';
import type { Target } from '../passes/finish.ts';
import type { Task } from '../tasks/task.ts';
import { graphIn, type TrainingDocument } from './document.ts';

export interface GraphSource {
  /** How many examples a graph takes at once, for a batch of so many, which it divides. Throws UserError where there is none. */
  sizeFor(examples: number): number;
  manifestFor(size: number): Manifest;
  /** The bytes of a graph. Throws UserError where a file does not hold it. */
  model(name: GraphName, size: number): Uint8Array;
  /** What inference computes, its variables as inputs. */
  inference(): Graph;
  /** The file that the task was read from, with other weights; none where it was read from none. */
  readonly exported?: (values: ReadonlyMap<string, Float32Array>) => Uint8Array;
}

/** How the graphs of a task are written. */
export interface TaskSourceOptions {
  readonly name: string;
  readonly target: Target;
  readonly memory: MemoryLevel;
  readonly roles: (variable: Variable) => Role;
  readonly rates: (variable: Variable) => ParameterRates;
  readonly predicts: readonly string[];
  /** The most examples at once; the batch that is fed where it is left out. */
  readonly microBatch?: number | undefined;
  readonly exported?: (values: ReadonlyMap<string, Float32Array>) => Uint8Array;
}

/** Sizes whose graphs are kept as values. */
const KEPT = 2;

/** Graphs of a task, written for the sizes that are asked for. */
export class TaskSource implements GraphSource {
  readonly exported?: (values: ReadonlyMap<string, Float32Array>) => Uint8Array;
  readonly #task: Task;
  readonly #options: TaskSourceOptions;
  readonly #written = new Map<number, TaskGraphs>();

  constructor(task: Task, options: TaskSourceOptions) {
    this.#task = task;
    this.#options = options;
    if (options.exported) this.exported = options.exported;
  }

  sizeFor(examples: number): number {
    const { microBatch = examples } = this.#options;
    let size = Math.min(examples, microBatch);
    while (examples % size !== 0) size--;
    return size;
  }

  manifestFor(size: number): Manifest {
    const { name, rates } = this.#options;
    return describeTask(this.#task, this.graphs(size), { name, hash: '', rates });
  }

  model(name: GraphName, size: number): Uint8Array {
    return serialize(this.graphs(size).graph(name));
  }

  inference(): Graph {
    return inferenceGraph(this.#task);
  }

  graphs(size: number): TaskGraphs {
    const { target, memory, roles, predicts } = this.#options;
    const known = this.#written.get(size);
    if (known) return known;
    const graphs = new TaskGraphs(this.#task, { batch: size, target, memory, roles, predicts });
    // Who loads them keeps what it has loaded: older ones only take memory.
    const [oldest] = this.#written.keys();
    if (oldest !== undefined && this.#written.size >= KEPT) this.#written.delete(oldest);
    this.#written.set(size, graphs);
    return graphs;
  }
}

/** What a file of `trainModel` holds. */
export interface TrainingFile {
  readonly document: TrainingDocument;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The graphs of a file, for batches of the sizes for which they were written, and multiples of these. */
export class FileSource implements GraphSource {
  readonly #file: TrainingFile;

  constructor(file: TrainingFile) {
    this.#file = file;
  }

  sizeFor(examples: number): number {
    const { sizes } = this.#file.document;
    const fitting = sizes.filter((size) => examples % size === 0);
    if (fitting.length > 0) return Math.max(...fitting);
    throw new UserError(
      `feeds: expected a batch of ${sizes.join(' or ')} examples, or a multiple, for which these artifacts were written, got ${examples}; generate them with batchSize: [${[...sizes, examples].join(', ')}]`,
    );
  }

  manifestFor(size: number): Manifest {
    return { ...this.#file.document.manifest, microBatch: size };
  }

  model(name: GraphName, size: number): Uint8Array {
    const { metadata } = this.#file;
    const bytes = graphIn(metadata, name, size) ?? graphIn(metadata, name);
    if (bytes) return bytes;
    throw new UserError(
      `trainModel: these artifacts hold no graph ${name}, which this session needs; generate them with the gr that it is to use`,
    );
  }

  inference(): Graph {
    return read(this.model('infer', 0)).graph;
  }
}
