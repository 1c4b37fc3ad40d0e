/** What a tensor of a file is while its graph is lowered: a value of ours, or numbers that are known already. */
import type { Dim, DType, Value } from '../onnx/value.ts';

/**
 * Numbers that are known while the graph is written: constants that are small, and what is computed of shapes. An
 * element is a number, also of int64 and bool (0 or 1), or a multiple of the symbolic batch.
 */
export interface Known {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: readonly Dim[];
}

/**
 * A result that lies in memory with its channels last, [batch, …, channels], where ONNX means [batch, channels, …]. Our
 * convolutions, pools and normalizations work on such; whoever asks for the plain value gets it transposed, once.
 */
export interface ChannelsLast {
  readonly channelsLast: Value;
}

/** What a lowering gives for each output of a node. */
export type Lowered = Value | ChannelsLast | Known;
