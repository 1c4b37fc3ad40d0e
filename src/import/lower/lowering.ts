/** How the nodes of an ONNX file become ops of ours: one function for each operator, in tables by family. */
import type { Scope } from '../../layers/scope.ts';
import type { Dim, DType, Value } from '../../onnx/value.ts';
import type { Known, Lowered } from '../tensor.ts';

/** The attributes of a node. Each reader throws UserError where the attribute is of another type. */
export interface Attributes {
  has(name: string): boolean;
  int(name: string, otherwise: number): number;
  float(name: string, otherwise: number): number;
  text(name: string, otherwise: string): string;
  ints(name: string): readonly number[] | undefined;
  floats(name: string): readonly number[] | undefined;
  texts(name: string): readonly string[] | undefined;
}

/** A node, as a lowering sees it. Inputs are counted from 0; one that is left out is undefined, or an error that names it. */
export interface Call {
  /** The operator; the versions' differences are gone (versions.ts): it reads as that of the newest opset. */
  readonly op: string;
  readonly domain: string;
  readonly attributes: Attributes;
  /** How many inputs and outputs the node lists. */
  readonly inputs: number;
  readonly outputs: number;
  /** Whether a pass that trains is being written, and the node is among those that train (dropout, batch norm). */
  readonly training: boolean;
  /** For random masks and the next values of state; under the node's own path. */
  readonly scope: Scope;
  has(input: number): boolean;
  /** The input as ONNX means it. Known numbers become a constant. */
  value(input: number): Value;
  optional(input: number): Value | undefined;
  /** The input with its channels last, of rank 3 or more: transposed, where it is not so already. */
  channelsLast(input: number): Value;
  /** Whether the input lies with its channels last already, so that staying with that layout costs nothing. */
  isChannelsLast(input: number): boolean;
  dtype(input: number): DType;
  shape(input: number): readonly Dim[];
  /** The numbers of an input where they are known while the graph is written. */
  known(input: number): Known | undefined;
  /**
   * The input as a list of integers, undefined where it is left out. Throws UserError where it is computed from data, since
   * training graphs are static.
   */
  list(input: number, what: string): readonly Dim[] | undefined;
  /** The same without symbolic ones. */
  numbers(input: number, what: string): readonly number[] | undefined;
  /** float32 zeros, one for each example: [batch]. What is spread over the batch gets that axis from them. */
  examples(): Value;
  /** A UserError about the node: its name and operator, then `problem`. */
  error(problem: string): Error;
}

export type Lowering = (call: Call) => readonly Lowered[];
/** By operator. A domain of its own is written before it, `com.microsoft.FastGelu`. */
export type Lowerings = Readonly<Record<string, Lowering>>;
