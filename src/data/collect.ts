/** Examples that come one after another, read into memory. Pure: also for browsers. */
import { show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Fields } from '../tasks/task.ts';
import type { Arrays } from './arrays.ts';
import { emptyField, type FieldData } from './batch.ts';

/** One example: a number for a field of shape [], and the numbers of any other, row-major. */
export type Example = Readonly<Record<string, number | bigint | ArrayLike<number> | ArrayLike<bigint>>>;

/**
 * All examples of an iterable, as `arraysDataset` takes them. `fields` says what they are. Throws a UserError with the
 * number of the example, from 0, that lacks a field or has another number of elements.
 */
export async function collectExamples(
  examples: Iterable<Example> | AsyncIterable<Example>,
  fields: Fields,
): Promise<Arrays> {
  const columns = Object.entries(fields).map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape,
    size: sizeOf(shape),
    data: emptyField(dtype, 64 * sizeOf(shape)),
  }));
  let count = 0;
  for await (const example of examples) {
    for (const column of columns) {
      const { name, dtype, size } = column;
      if ((count + 1) * size > column.data.length) {
        column.data = copied(column.data, emptyField(dtype, 2 * column.data.length));
      }
      write(`example ${count}: ${name}`, example[name], size, column.data, count * size);
    }
    count++;
  }
  if (count === 0) throw new UserError('examples: expected at least one, got none');
  return Object.fromEntries(
    columns.map(({ name, data, size, shape }) => [
      name,
      { data: data.slice(0, count * size), shape: [count, ...shape] },
    ]),
  );
}

function write(
  where: string,
  value: Example[string] | undefined,
  size: number,
  out: FieldData,
  from: number,
): void {
  if (value === undefined) throw new UserError(`${where}: expected a value, got none`);
  const elements = typeof value === 'object' ? value : [value];
  if (elements.length !== size) {
    throw new UserError(`${where}: expected ${size} numbers, got ${elements.length}`);
  }
  for (let i = 0; i < size; i++) {
    const element = elements[i];
    if (out instanceof BigInt64Array) {
      if (typeof element !== 'bigint' && !Number.isSafeInteger(element))
        throw wrong(where, element, 'an integer');
      out[from + i] = BigInt(element ?? 0);
      continue;
    }
    const isFloat = out instanceof Float32Array;
    if (typeof element !== 'number' || !(isFloat ? Number.isFinite(element) : Number.isInteger(element))) {
      throw wrong(where, element, isFloat ? 'a number' : 'an integer');
    }
    out[from + i] = element;
    if (!isFloat && out[from + i] !== element) throw wrong(where, element, 'an integer that fits its dtype');
  }
}

function wrong(where: string, got: unknown, expected: string): UserError {
  return new UserError(`${where}: expected ${expected}, got ${typeof got === 'bigint' ? got : show(got)}`);
}

function copied(from: FieldData, to: FieldData): FieldData {
  if (from instanceof BigInt64Array && to instanceof BigInt64Array) to.set(from);
  else if (!(from instanceof BigInt64Array) && !(to instanceof BigInt64Array)) to.set(from);
  return to;
}
