/** A node as its lowering sees it, on the values that are there so far. */
import { UserError } from '../errors.ts';
import type { Scope } from '../layers/scope.ts';
import { sizePerExample } from '../onnx/shapes.ts';
import type { Dim, DType, Value } from '../onnx/value.ts';
import { attributesOf } from './attributes.ts';
import type { Entry } from './entry.ts';
import { batchMultiple, timesBatch } from './known.ts';
import type { Attributes, Call } from './lower/lowering.ts';
import type { OnnxNode } from './onnx-node.ts';
import type { Known } from './tensor.ts';

/** How messages begin that are about a node. */
export const where = ({ name, op, domain }: Pick<OnnxNode, 'name' | 'op' | 'domain'>): string =>
  `import: node ${name} (${domain === '' ? op : `${domain}.${op}`})`;

export interface CallContext {
  readonly scope: Scope;
  readonly training: boolean;
  /** The value of a name. */
  readonly entry: (name: string) => Entry;
  /** float32 zeros [batch]. */
  readonly examples: () => Value;
  /** Where the file was written for this many examples: its lists that begin with them mean the batch. */
  readonly fixedBatch: number | undefined;
  /** Called with the node's name where a list of it was read so. */
  readonly generalised: Generalised;
}

/** The nodes whose lists were read as of any batch, though the file has a fixed one. */
export interface Generalised {
  readonly names: Set<string>;
  /** The batch now. */
  readonly batch: Dim;
}

export class NodeCall implements Call {
  readonly op: string;
  readonly domain: string;
  readonly attributes: Attributes;
  readonly inputs: number;
  readonly outputs: number;
  readonly training: boolean;
  readonly #node: OnnxNode;
  readonly #context: CallContext;

  constructor(node: OnnxNode, context: CallContext) {
    this.op = node.op;
    this.domain = node.domain;
    this.inputs = node.inputs.length;
    this.outputs = node.outputs.length;
    this.training = context.training;
    this.attributes = attributesOf(node.attributes, where(node));
    this.#node = node;
    this.#context = context;
  }

  get scope(): Scope {
    return this.#context.scope.sub(this.#node.name);
  }

  has(input: number): boolean {
    return (this.#node.inputs[input] ?? '') !== '';
  }

  value(input: number): Value {
    return this.#entry(input).value;
  }

  optional(input: number): Value | undefined {
    return this.has(input) ? this.value(input) : undefined;
  }

  channelsLast(input: number): Value {
    const entry = this.#entry(input);
    if (entry.shape.length >= 3) return entry.channelsLast;
    throw this.error(`expected an input ${input} of rank 3 or more, got [${entry.shape.join(', ')}]`);
  }

  isChannelsLast(input: number): boolean {
    return this.has(input) && this.#entry(input).isChannelsLast;
  }

  dtype(input: number): DType {
    return this.#entry(input).dtype;
  }

  shape(input: number): readonly Dim[] {
    return this.#entry(input).shape;
  }

  known(input: number): Known | undefined {
    return this.has(input) ? this.#entry(input).known : undefined;
  }

  list(input: number, what: string): readonly Dim[] | undefined {
    if (!this.has(input)) return undefined;
    const known = this.known(input);
    if (known) return this.#generalised(known.data);
    throw this.error(
      `expected ${what} that do not depend on the data, since graphs for training are static, got ${this.#node.inputs[input]}, which is computed from it`,
    );
  }

  numbers(input: number, what: string): readonly number[] | undefined {
    return this.list(input, what)?.map((dim) => {
      if (typeof dim === 'number') return dim;
      throw this.error(`expected ${what} that do not depend on the size of the batch, got ${dim}`);
    });
  }

  examples(): Value {
    return this.#context.examples();
  }

  error(problem: string): Error {
    return new UserError(`${where(this.#node)}: ${problem}`);
  }

  #entry(input: number): Entry {
    const name = this.#node.inputs[input] ?? '';
    if (name !== '') return this.#context.entry(name);
    throw this.error(`expected an input ${input}, got none`);
  }

  /**
   * A shape to give, of a file that was exported for a fixed batch, made one of any batch: its first number counts the
   * examples where the operand's first axis does.
   */
  #generalised(data: readonly Dim[]): readonly Dim[] {
    const { fixedBatch, generalised } = this.#context;
    const [first, ...rest] = data;
    if (fixedBatch === undefined || this.op !== 'Reshape' || typeof first !== 'number') return data;
    const { names, batch } = generalised;
    const isFirst = batch === 'batch';
    if (isFirst && this.#isOfBatch(first, rest, fixedBatch)) names.add(this.#node.name);
    if (!names.has(this.#node.name)) return data;
    const count = first / fixedBatch;
    return [typeof batch === 'number' ? count * batch : timesBatch(count), ...rest];
  }

  #isOfBatch(first: number, rest: readonly Dim[], fixedBatch: number): boolean {
    const shape = this.shape(0);
    if (batchMultiple(shape[0] ?? 1) === undefined || first < 1 || first % fixedBatch !== 0) return false;
    if (rest.some((dim) => typeof dim !== 'number')) return false;
    if (rest.includes(-1)) return true;
    let size = first / fixedBatch;
    rest.forEach((dim, i) => {
      const copied = shape[i + 1];
      size *= dim === 0 && typeof copied === 'number' ? copied : Number(dim);
    });
    return size === sizePerExample(shape);
  }
}
