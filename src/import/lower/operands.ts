/** Operands that broadcast, in one layout. */
import { reshape } from '../../onnx/ops.ts';
import { broadcast, sameShape } from '../../onnx/shapes.ts';
import type { Dim, Value } from '../../onnx/value.ts';
import { toChannelsLast } from '../entry.ts';
import type { Lowered } from '../tensor.ts';
import type { Call } from './lowering.ts';

export interface Alike {
  readonly values: readonly Value[];
  readonly result: (y: Value) => Lowered;
}

/**
 * All inputs of a node, for an op that broadcasts them. Where one lies with its channels last and the result is as large
 * as it, the others follow.
 */
export function alike(call: Call): Alike {
  const all = Array.from({ length: call.inputs }, (_, i) => i);
  const shape = broadcast(call.op, ...all.map((i) => call.shape(i)));
  const leads = all.some((i) => call.isChannelsLast(i) && sameShape(call.shape(i), shape));
  if (!leads) return { values: all.map((i) => call.value(i)), result: (y) => y };
  return { values: all.map((i) => turned(call, i, shape.length)), result: (y) => ({ channelsLast: y }) };
}

function turned(call: Call, input: number, rank: number): Value {
  const shape = call.shape(input);
  if (shape.every((dim) => dim === 1)) {
    // One number, of whatever rank: as a scalar, it broadcasts to either layout.
    return shape.length === 0 ? call.value(input) : reshape(call.value(input), []);
  }
  if (shape.length === rank) return call.channelsLast(input);
  const ones: Dim[] = new Array<Dim>(rank - shape.length).fill(1);
  return toChannelsLast(reshape(call.value(input), [...ones, ...shape]));
}
