/** Arrays in memory: examples of named fields, and a dataset of them. Pure: also for browsers. */
import { counted } from '../counted.ts';
import { nearestName, show, UserError } from '../errors.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { Fields } from '../tasks/task.ts';
import { type ArrayField, readField } from './array-field.ts';
import type { FieldData } from './batch.ts';
import { copyExample } from './copy-example.ts';
import type { Dataset, Split } from './dataset.ts';

/** Arrays by the names of their fields, with the same number of examples each. */
export type Arrays = Readonly<Record<string, ArrayField>>;

/** Examples in memory. */
export interface ArraysSplit extends Split {
  readonly fields: Fields;
  readonly arrays: Readonly<Record<string, FieldData>>;
}

export interface Expected {
  readonly fields: Fields;
  /** What says that the arrays must have these fields: `data`. */
  readonly asIn: string;
  /** Fields that may be there, and are not read. */
  readonly more?: readonly string[];
}

/**
 * Reads a user's arrays; `what` names them in errors. Typed arrays are used in place, and must not change while they are
 * in use. `expected` holds the fields that they must have: all of them, and no others. Throws a UserError for a field that
 * is none, fields of different lengths and numbers that are not finite. There may be no examples.
 */
export function readArrays(what: string, arrays: Arrays, expected?: Expected): ArraysSplit {
  if (typeof arrays !== 'object' || arrays === null || Object.keys(arrays).length === 0) {
    throw new UserError(`${what}: expected arrays by the names of their fields, got ${show(arrays)}`);
  }
  if (expected) expectNames(what, Object.keys(arrays), expected);
  const read = Object.keys(expected?.fields ?? arrays).map((name) => {
    const field = expected?.fields[name];
    const like = expected && field && { field, asIn: expected.asIn };
    return { name, ...readField(`${what}: ${name}`, arrays[name], like) };
  });
  const length = read[0]?.length ?? 0;
  const other = read.find((each) => each.length !== length);
  if (other) {
    throw new UserError(
      `${what}: ${read[0]?.name} has ${counted(length, 'example')} and ${other.name} has ${other.length}; expected a value of every field for each example`,
    );
  }
  const columns = read.map(({ name, field, data }) => ({ name, data, size: sizeOf(field.shape) }));
  return {
    fields: Object.fromEntries(read.map(({ name, field }) => [name, field])),
    arrays: Object.fromEntries(read.map(({ name, data }) => [name, data])),
    length,
    read(index, out, at) {
      for (const { name, data, size } of columns) copyExample(name, data, size, index, out[name], at);
    },
  };
}

function expectNames(what: string, names: readonly string[], { fields, more = [] }: Expected): void {
  const wanted = Object.keys(fields);
  const unknown = names.find((name) => !wanted.includes(name) && !more.includes(name));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, wanted);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw new UserError(`${what}: expected no fields but ${wanted.join(', ')}, got ${show(unknown)}${hint}`);
  }
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new UserError(`${what}: expected the field ${missing}, got ${names.join(', ')}`);
  }
}

/** What a dataset of arrays says of itself, and how it is held out and tested. */
export interface ArraysOptions {
  readonly name?: string;
  /** What the fields are, where the arrays do not say it: labels in an ordinary list are int32. */
  readonly fields?: Fields;
  /** By which field examples are stratified where some are drawn; int32 []. Plainly at random without it. */
  readonly strata?: string;
  /** Arrays of the same fields to test with. Without them the test split is the training split. */
  readonly test?: Arrays;
}

/**
 * A dataset whose training split is `arrays`. Throws a UserError for what `readArrays` does not take, and where there are
 * no examples.
 */
export function arraysDataset(
  arrays: Arrays,
  { name = 'arrays', fields, strata, test }: ArraysOptions = {},
): Dataset {
  const read = (what: string, given: Arrays, like: Omit<Expected, 'more'> | undefined): ArraysSplit =>
    stratified(someOf(what, readArrays(what, given, like)), strata);
  const train = read('data', arrays, fields && { fields, asIn: 'fields' });
  const tests = test && read('test', test, { fields: train.fields, asIn: 'data' });
  return {
    name,
    fields: train.fields,
    found: `${train.length} examples in memory${tests ? `, ${tests.length} to test` : ''}`,
    about: {},
    bytes: [train, ...(tests ? [tests] : [])]
      .flatMap((split) => Object.values(split.arrays))
      .reduce((sum, { byteLength }) => sum + byteLength, 0),
    train,
    test: tests ?? train,
  };
}

/** Throws a UserError where there are no examples. */
export function someOf<S extends Split>(what: string, split: S): S {
  if (split.length > 0) return split;
  throw new UserError(`${what}: expected at least one example, got none`);
}

function stratified(split: ArraysSplit, by: string | undefined): ArraysSplit {
  if (by === undefined) return split;
  const strata = split.arrays[by];
  if (strata instanceof Int32Array && strata.length === split.length) return { ...split, strata };
  throw new UserError(`strata: expected the name of an int32 field of shape [], got ${show(by)}`);
}
