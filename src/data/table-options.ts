/** What a JSON file says of a table's columns. Pure: also for browsers. */
import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { parseOptions } from './options.ts';

const values = v.optional(v.pipe(v.array(v.string()), v.minLength(2)));

/** A column that the model reads. */
const Column = v.variant('type', [
  v.strictObject({
    /** Standardised: less the training rows' mean, over their standard deviation. */
    type: v.literal('number'),
    /** What a missing cell is. `mean`: the mean, and a second feature is 1 where the cell is missing and else 0. */
    missing: v.optional(v.picklist(['error', 'mean']), 'error'),
  }),
  v.strictObject({
    /** One feature for each value, 1 where the cell has it and else 0. */
    type: v.literal('category'),
    /** Without it, the values of the training rows, in the order of their code units. */
    values,
    /** What a missing cell is. `own`: one more feature of its own. */
    missing: v.optional(v.picklist(['error', 'own']), 'error'),
  }),
]);

const Target = v.variant('type', [
  v.strictObject({
    type: v.literal('number'),
    column: v.string(),
    /** Whether `y` is less the training rows' mean, over their standard deviation; else the number as it stands. */
    standardize: v.optional(v.boolean(), true),
  }),
  v.strictObject({ type: v.literal('class'), column: v.string(), values }),
]);

const Table = v.strictObject({
  $schema: v.optional(v.string()),
  /** By their names in the header, in the order of their features. Columns that are not named are not read. */
  columns: v.record(v.string(), Column),
  target: Target,
  /** Cells that are missing values, besides empty ones. */
  missing: v.optional(v.array(v.string()), ['NA', 'NaN', '?']),
  delimiter: v.optional(v.pipe(v.string(), v.minLength(1)), ','),
  /** The share of the rows to test with, where they are in one file: the same rows in every run. */
  testShare: v.optional(v.pipe(v.number(), v.gtValue(0), v.ltValue(1)), 0.2),
});
export type TableOptions = v.InferOutput<typeof Table>;

/** Reads what describes a table. Throws a UserError that begins with `origin` for the first thing that is not right. */
export function parseTable(json: unknown, origin: string): TableOptions {
  const table = parseOptions(Table, json, origin);
  if (Object.keys(table.columns).length === 0) {
    throw new UserError(`${origin}: columns: expected at least one column to read, got none`);
  }
  if (Object.hasOwn(table.columns, table.target.column)) {
    throw new UserError(
      `${origin}: columns: ${table.target.column} is the target: expected it in one place only`,
    );
  }
  return table;
}
