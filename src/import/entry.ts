/** A value of a file while its graph is lowered: known numbers, or a value of ours in one layout or both. */
import { reshape, transpose } from '../onnx/ops.ts';
import type { Dim, DType, Shape, Value } from '../onnx/value.ts';
import { constantOf } from './known.ts';
import type { Known, Lowered } from './tensor.ts';

/** What is known of a value before it is computed. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Where a value comes from that is computed only if it is asked for. */
export interface Deferred {
  readonly type: () => ValueType;
  readonly value: () => Value;
  readonly known?: () => Known | undefined;
}

export class Entry {
  readonly #name: string;
  readonly #deferred: Deferred | undefined;
  #plain: Value | undefined;
  #last: Value | undefined;
  #known: Known | undefined;

  constructor(name: string, from: Lowered | Deferred) {
    this.#name = name;
    if ('channelsLast' in from) this.#last = from.channelsLast;
    else if ('node' in from) this.#plain = from;
    else if ('data' in from) this.#known = from;
    else this.#deferred = from;
  }

  get known(): Known | undefined {
    this.#known ??= this.#deferred?.known?.();
    return this.#known;
  }

  get dtype(): DType {
    return (this.#plain ?? this.#last ?? this.#known ?? this.#type).dtype;
  }

  get shape(): readonly Dim[] {
    const { shape } = this.#plain ?? this.#known ?? this.#last ?? this.#type;
    return this.#plain || this.#known || !this.#last ? shape : channelsFirstShape(shape);
  }

  get #type(): ValueType {
    if (!this.#deferred) throw new Error(`internal: ${this.#name} is empty`);
    return this.#deferred.type();
  }

  /** As ONNX means it. */
  get value(): Value {
    if (this.#plain) return this.#plain;
    this.#plain = this.#last ? toChannelsFirst(this.#last) : this.#made();
    return this.#plain;
  }

  get channelsLast(): Value {
    this.#last ??= toChannelsLast(this.value);
    return this.#last;
  }

  get isChannelsLast(): boolean {
    return this.#last !== undefined;
  }

  #made(): Value {
    if (this.#known) return constantOf(this.#known, this.#name);
    if (!this.#deferred) throw new Error(`internal: ${this.#name} is empty`);
    return this.#deferred.value();
  }
}

const channelsFirstShape = (shape: Shape): Shape => [
  ...shape.slice(0, 1),
  ...shape.slice(-1),
  ...shape.slice(1, -1),
];

/** [batch, channels, …] → [batch, …, channels]. */
export function toChannelsLast(x: Value): Value {
  const { shape } = x;
  const to = [...shape.slice(0, 1), ...shape.slice(2), ...shape.slice(1, 2)];
  const axes = shape.map((_, i) => i);
  return moved(x, [0, ...axes.slice(2), 1], to, shape[1], shape.slice(2));
}

/** [batch, …, channels] → [batch, channels, …]. */
export function toChannelsFirst(x: Value): Value {
  const { shape } = x;
  const axes = shape.map((_, i) => i);
  const perm = [0, shape.length - 1, ...axes.slice(1, -1)];
  return moved(x, perm, channelsFirstShape(shape), shape.at(-1), shape.slice(1, -1));
}

/** Where there is one channel, or one place, nothing moves in memory. */
function moved(
  x: Value,
  perm: readonly number[],
  to: Shape,
  channels: Dim | undefined,
  places: Shape,
): Value {
  const isStill = channels === 1 || places.every((dim) => dim === 1);
  return isStill ? reshape(x, to) : transpose(x, perm);
}
