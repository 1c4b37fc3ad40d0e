/** How the cells of a table's columns become numbers. Pure: also for browsers. */
import { nearestName, show, UserError } from '../errors.ts';
import type { Json } from './dataset.ts';
import type { TableOptions } from './table-options.ts';

/** The rows of a file, and where each stands in it. */
export interface Rows {
  /** For errors. */
  readonly file: string;
  readonly header: readonly string[];
  readonly rows: readonly { readonly line: number; readonly cells: readonly string[] }[];
}

/** A part of a table as numbers, row-major. */
export interface EncodedRows {
  /** float32 [rows, features]. */
  readonly x: Float32Array;
  /** float32 [rows], or int32 [rows]: the number of the class. */
  readonly y: Float32Array | Int32Array;
}

/** How a table's cells become numbers, learnt from its training rows. */
export interface Encoding {
  /** Names of the features, such as `age`, `age missing`, `cut=Ideal`. */
  readonly features: readonly string[];
  /** By number, where the target is a class. */
  readonly classes: readonly string[] | undefined;
  /** All that is learnt, to encode a row elsewhere. */
  readonly about: Readonly<Record<string, Json>>;
  /** Throws a UserError with file, line, column and value for a cell that is not right. */
  encode(rows: Rows): EncodedRows;
}

/** One column's part of a row: writes its features into `x` from `at` on. */
interface Encoder {
  readonly features: readonly string[];
  readonly about: Readonly<Record<string, Json>>;
  write(cell: string, place: () => string, x: Float32Array, at: number): void;
}

/**
 * Learns an encoding from training rows. Means and deviations are those of the rows that `chooseInUse` gives for the
 * rows' strata, their classes; lists of values are those of all training rows, so that the number of features does not
 * depend on which rows are held out.
 */
export function learnEncoding(
  options: TableOptions,
  train: Rows,
  chooseInUse: (population: { readonly length: number; readonly strata?: Int32Array }) => Uint32Array,
): Encoding {
  const isMissing = (cell: string) => cell === '' || options.missing.includes(cell);
  const cellsOf = (name: string) => columnOf(train, name);
  const { length } = train.rows;
  const targets = cellsOf(options.target.column);
  const classes = options.target.type === 'class' ? classesOf(options.target, isMissing, targets) : undefined;
  const strata =
    classes &&
    Int32Array.from({ length }, (_, row) => classes.value(targets.cell(row), () => targets.place(row)));
  const inUse = chooseInUse({ length, ...(strata && { strata }) });
  const target = classes ?? numberOfTarget(options.target, targets, inUse);
  const encoders = Object.entries(options.columns).map(([name, column]) =>
    column.type === 'number'
      ? numberEncoder(name, column.missing === 'mean', isMissing, cellsOf(name), inUse)
      : categoryEncoder(name, column, isMissing, cellsOf(name)),
  );
  const features = encoders.flatMap((encoder) => encoder.features);
  const names = Object.keys(options.columns);
  return {
    features,
    classes: target.classes,
    about: {
      columns: encoders.map(({ about }) => about),
      features,
      target: target.about,
      ...(target.classes && { classes: target.classes }),
    },
    encode(part) {
      const columns = names.map((name) => columnOf(part, name));
      const targets = columnOf(part, options.target.column);
      const { length } = part.rows;
      const x = new Float32Array(length * features.length);
      const y = target.classes ? new Int32Array(length) : new Float32Array(length);
      for (let row = 0; row < length; row++) {
        let at = row * features.length;
        for (const [i, encoder] of encoders.entries()) {
          const { cell, place } = cellAt(columns, i, row);
          encoder.write(cell, place, x, at);
          at += encoder.features.length;
        }
        const { cell, place } = cellAt([targets], 0, row);
        y[row] = target.value(cell, place);
      }
      return { x, y };
    },
  };
}

/** The cells of a column, and where each stands. */
interface ColumnCells {
  readonly length: number;
  cell(row: number): string;
  place(row: number): string;
}

function cellAt(columns: readonly ColumnCells[], i: number, row: number) {
  const column = columns[i];
  if (!column) throw new Error(`internal: column ${i} of ${columns.length}`);
  return { cell: column.cell(row), place: () => column.place(row) };
}

function columnOf({ file, header, rows }: Rows, name: string): ColumnCells {
  const index = header.indexOf(name);
  if (index < 0) {
    const nearest = nearestName(name, header);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    throw new UserError(`${file}: no column ${name}; expected one of ${header.join(', ')}${hint}`);
  }
  return {
    length: rows.length,
    cell: (row) => rows[row]?.cells[index]?.trim() ?? '',
    place: (row) => `${file}:${rows[row]?.line}: column ${name}`,
  };
}

function numberOf(cell: string, place: () => string): number {
  const value = cell === '' ? Number.NaN : Number(cell);
  if (Number.isFinite(Math.fround(value))) return value;
  throw new UserError(`${place()}: expected a number, got ${show(cell)}`);
}

function missingValue(place: () => string, cell: string, remedy: string): UserError {
  return new UserError(`${place()}: expected a value, got ${show(cell)}, which is a missing one${remedy}`);
}

/** Mean and standard deviation (over n, not n − 1), in float64 and two passes. A constant's deviation counts as 1. */
function statistics(numbers: readonly number[]): { mean: number; std: number } {
  const mean = numbers.reduce((sum, x) => sum + x, 0) / Math.max(1, numbers.length);
  const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, numbers.length);
  return { mean, std: Math.sqrt(variance) || 1 };
}

function numberEncoder(
  name: string,
  fills: boolean,
  isMissing: (cell: string) => boolean,
  cells: ColumnCells,
  inUse: Uint32Array,
): Encoder {
  const remedy = `; fill it, or say "missing": "mean" of ${name}`;
  const numbers = Array.from(inUse).flatMap((row) => {
    const cell = cells.cell(row);
    const place = () => cells.place(row);
    if (!isMissing(cell)) return [numberOf(cell, place)];
    if (fills) return [];
    throw missingValue(place, cell, remedy);
  });
  if (numbers.length === 0) throw new UserError(`${cells.place(0)}: expected a number in some training row`);
  const { mean, std } = statistics(numbers);
  return {
    features: fills ? [name, `${name} missing`] : [name],
    about: { name, type: 'number', mean, std, missing: fills ? 'mean' : 'error' },
    write(cell, place, x, at) {
      if (!isMissing(cell)) x[at] = (numberOf(cell, place) - mean) / std;
      else if (fills) x[at + 1] = 1;
      else throw missingValue(place, cell, remedy);
    },
  };
}

function categoryEncoder(
  name: string,
  {
    values: given,
    missing,
  }: { readonly values?: readonly string[] | undefined; readonly missing: 'error' | 'own' },
  isMissing: (cell: string) => boolean,
  cells: ColumnCells,
): Encoder {
  const known = given ?? learntValues(cells, isMissing);
  const numberOfValue = new Map(known.map((value, i) => [value, i]));
  const remedy = `; fill it, or say "missing": "own" of ${name}`;
  return {
    features: [
      ...known.map((value) => `${name}=${value}`),
      ...(missing === 'own' ? [`${name} missing`] : []),
    ],
    about: { name, type: 'category', values: known, missing },
    write(cell, place, x, at) {
      // A value may look like a missing one, where the list says so.
      const value = numberOfValue.get(cell);
      if (value !== undefined) x[at + value] = 1;
      else if (!isMissing(cell)) throw unknownValue(place, cell, known);
      else if (missing === 'own') x[at + known.length] = 1;
      else throw missingValue(place, cell, remedy);
    },
  };
}

function learntValues(cells: ColumnCells, isMissing: (cell: string) => boolean): string[] {
  const found = new Set<string>();
  for (let row = 0; row < cells.length; row++) {
    const cell = cells.cell(row);
    if (!isMissing(cell)) found.add(cell);
  }
  return [...found].sort();
}

function unknownValue(place: () => string, cell: string, known: readonly string[]): UserError {
  const list = known.length > 12 ? `one of ${known.length} values` : `one of ${known.join(', ')}`;
  return new UserError(
    `${place()}: expected ${list}, got ${show(cell)}; correct it, or add it to \`values\` of the column`,
  );
}

interface TargetEncoder {
  readonly classes: readonly string[] | undefined;
  readonly about: Readonly<Record<string, Json>>;
  value(cell: string, place: () => string): number;
}

function numberOfTarget(
  target: TableOptions['target'],
  cells: ColumnCells,
  inUse: Uint32Array,
): TargetEncoder {
  const { column } = target;
  const all = Array.from(inUse, (row) => numberOf(cells.cell(row), () => cells.place(row)));
  const { mean, std } =
    target.type === 'number' && target.standardize ? statistics(all) : { mean: 0, std: 1 };
  return {
    classes: undefined,
    about: { column, type: 'number', mean, std },
    value: (cell, place) => (numberOf(cell, place) - mean) / std,
  };
}

function classesOf(
  { column, values: given }: { readonly column: string; readonly values?: readonly string[] | undefined },
  isMissing: (cell: string) => boolean,
  cells: ColumnCells,
): TargetEncoder {
  const classes = given ?? learntValues(cells, isMissing);
  const numberOfClass = new Map(classes.map((name, i) => [name, i]));
  return {
    classes,
    about: { column, type: 'class' },
    value(cell, place) {
      const label = numberOfClass.get(cell);
      if (label !== undefined) return label;
      throw isMissing(cell) ? missingValue(place, cell, '') : unknownValue(place, cell, classes);
    },
  };
}
