/** The types of what a trunk gives, found by running it, where neither the file nor its operators tell them. */
import { UserError } from '../errors.ts';
import type { Dim, DType } from '../onnx/value.ts';
import type { ValueType } from './entry.ts';
import { timesBatch } from './known.ts';
import { needs } from './node-order.ts';
import type { OnnxModel } from './onnx-model.ts';
import { type ImportOptions, planOf } from './plan.ts';
import { fieldsOf, type ImportedField, type ImportedFields, trunkFile } from './split.ts';

/** A tensor as a session takes and gives it. */
export interface ProbeTensor {
  readonly dtype: Exclude<DType, 'float16'>;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

/** Runs an ONNX file once, as a session of ONNX Runtime does. */
export type RunOnce = (
  bytes: Uint8Array,
  feeds: Readonly<Record<string, ProbeTensor>>,
) => Promise<Readonly<Record<string, ProbeTensor>>>;

const EMPTY: Readonly<Record<ImportedField['dtype'], (size: number) => ProbeTensor['data']>> = {
  float32: (size) => new Float32Array(size).fill(0.5),
  int32: (size) => new Int32Array(size),
  int64: (size) => new BigInt64Array(size),
  uint8: (size) => new Uint8Array(size),
  bool: (size) => new Uint8Array(size).fill(1),
};

/**
 * `features` for importModel: the types of those values between the trunk and the rest that nobody says. Runs the trunk
 * with one example and with two, whose difference tells where the batch is. No run where all types are known. Throws
 * UserError where the batch is on no axis, or on several.
 */
export async function findTypes(
  source: OnnxModel,
  options: ImportOptions,
  run: RunOnce,
): Promise<Readonly<Record<string, ValueType>>> {
  const plan = planOf(source, options);
  const borders = plan.nodes
    .filter(({ outputs }) => outputs.some((name) => plan.trained.has(name)))
    .flatMap(needs)
    .filter((name) => plan.trunk.has(name) && !plan.fed.has(name));
  const names = [...new Set(borders)];
  if (names.length === 0) return {};
  const file = trunkFile(plan.source, names, plan.fixedBatch === undefined);
  const fields = fieldsOf(plan.bound.types);
  const sizes = plan.fixedBatch === undefined ? [1, 2] : [plan.fixedBatch];
  const runs: Readonly<Record<string, ProbeTensor>>[] = [];
  for (const size of sizes) runs.push(await run(file, zeros(fields, size)));
  return Object.fromEntries(names.map((name) => [name, typeOf(name, runs, sizes)]));
}

function zeros(fields: ImportedFields, batch: number): Record<string, ProbeTensor> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { dtype, shape }]) => {
      const size = shape.reduce((all, dim) => all * dim, batch);
      return [name, { dtype, shape: [batch, ...shape], data: EMPTY[dtype](size) }];
    }),
  );
}

function typeOf(
  name: string,
  runs: readonly Readonly<Record<string, ProbeTensor>>[],
  sizes: readonly number[],
): ValueType {
  const [one, two] = runs.map((results) => results[name]);
  if (!one) throw new Error(`internal: the trunk gave no ${name}`);
  const [batch = 1] = sizes;
  const shape = one.shape.map((dim, axis): Dim => {
    // Of a file for a fixed batch, the first axis is taken to be it.
    const isBatch = two ? two.shape[axis] === 2 * dim : axis === 0 && dim % batch === 0;
    return isBatch ? timesBatch(dim / batch) : dim;
  });
  if (shape.filter((dim) => typeof dim !== 'number').length === 1) return { dtype: one.dtype, shape };
  throw new UserError(
    `import: ${name}: expected the batch on one axis of what the frozen part gives, got ${runs.map((each) => `[${each[name]?.shape.join(', ')}]`).join(' for one example, and for two ')}`,
  );
}
