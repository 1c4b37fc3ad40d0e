/** A metric over batches of examples, as evaluation measures it: sums by graph, added in float64, then what they mean. */
import { finishMetrics } from '../../src/metrics/finish.ts';
import { input } from '../../src/onnx/ops.ts';
import type { DType } from '../../src/onnx/value.ts';
import type { TensorData } from '../../src/runtime/session.ts';
import type { Metric } from '../../src/tasks/task.ts';
import { run } from '../_run.ts';

/** A tensor with the batch axis first. */
export interface Given {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export function float32(values: readonly number[], ...shape: readonly number[]): Given {
  return { dtype: 'float32', shape, data: Float32Array.from(values) };
}

export function int32(values: readonly number[], ...shape: readonly number[]): Given {
  return { dtype: 'int32', shape, data: Int32Array.from(values) };
}

export function bool(values: readonly number[], ...shape: readonly number[]): Given {
  return { dtype: 'bool', shape, data: Uint8Array.from(values) };
}

export type GivenValues = Readonly<Record<string, Given>>;

/** The sums over examples, taken in batches that end at these examples. */
export async function sumsOver(
  metric: Metric,
  outputs: GivenValues,
  fields: GivenValues,
  ends: readonly number[],
): Promise<Record<string, Float64Array>> {
  const inputs = (values: GivenValues) =>
    Object.fromEntries(
      Object.entries(values).map(([name, { dtype, shape }]) => [
        name,
        input(name, ['batch', ...shape], dtype),
      ]),
    );
  const graph = metric.sums(inputs(outputs), inputs(fields));
  const totals: Record<string, Float64Array> = {};
  for (const [i, to] of ends.entries()) {
    const from = ends[i - 1] ?? 0;
    const cut = Object.entries({ ...outputs, ...fields }).map(
      ([name, { shape, data }]): [string, TensorData] => {
        const size = shape.reduce((a, b) => a * b, 1);
        return [name, data.subarray(from * size, to * size)];
      },
    );
    for (const [name, values] of Object.entries(await run(graph, Object.fromEntries(cut)))) {
      totals[name] = Float64Array.from(values, (x, k) => x + (totals[name]?.[k] ?? 0));
    }
  }
  return totals;
}

/** The metric's number over all examples; throws what evaluation throws. */
export async function measure(
  metric: Metric,
  outputs: GivenValues,
  fields: GivenValues,
  ends: readonly number[],
): Promise<number> {
  const sums = await sumsOver(metric, outputs, fields, ends);
  const named = Object.entries(sums).map(([name, values]) => [`metric/${name}`, values] as const);
  return finishMetrics({ metric }, Object.fromEntries(named)).metric ?? Number.NaN;
}
