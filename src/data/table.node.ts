/**
 * A table: rows of CSV files, with columns that a JSON file describes (table-options.ts). Its fields are `x` float32
 * [features], and `y` float32 [] where the target is a number, `labels` int32 [] where it is a class.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { counted } from '../counted.ts';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { arraysDataset } from './arrays.ts';
import { type Encoding, learnEncoding, type Rows } from './columns.ts';
import type { Dataset, DatasetSource, OpenDataset } from './dataset.ts';
import { readBytes, reason } from './files.node.ts';
import { partsOf } from './parts.ts';
import { indicesInUse } from './subset.ts';
import { parseTable, type TableOptions } from './table-options.ts';

/**
 * Opens the table at `dir`: a CSV file, `<name>.json` beside it describing its columns, of which a share of the rows is
 * kept to test with; or a folder with `train.csv`, `test.csv`, `columns.json` and perhaps `validation.csv`. In place of
 * the JSON file the description may be the source's `options`.
 */
export const open: OpenDataset = async ({ dir, options, ...source }) => {
  if (dir === undefined) {
    throw new UserError(
      'table: no file was given: pass --data <a CSV file, or a folder with train.csv and test.csv>',
    );
  }
  const isFolder = statSync(dir).isDirectory();
  const described = isFolder ? join(dir, 'columns.json') : dir.replace(/(\.[^./\\]*)?$/, '.json');
  if (options === undefined && !existsSync(described)) {
    throw new UserError(
      `table: no ${described}: expected a description of the columns there, or in \`options\``,
    );
  }
  const table =
    options === undefined
      ? parseTable(await readJsonFile(described), described)
      : parseTable(options, 'table: options');
  if (!isFolder) return openTable('table', dir, table, source);
  const file = (name: string) => join(dir, `${name}.csv`);
  const parts = {
    train: await readRows(file('train'), table),
    test: await readRows(file('test'), table),
    ...(existsSync(file('validation')) && { validation: await readRows(file('validation'), table) }),
  };
  return datasetOf('table', dir, table, parts, source);
};

/** Opens one CSV file, of which the table's share of the rows, stratified by class, is the test split. */
export async function openTable(
  name: string,
  path: string,
  table: TableOptions,
  source: Pick<DatasetSource, 'trainFraction' | 'holdOut'>,
): Promise<Dataset> {
  const all = await readRows(path, table);
  const target = all.header.indexOf(table.target.column);
  const groupOf = ({ cells }: Rows['rows'][number]) =>
    table.target.type === 'class' ? (cells[target]?.trim() ?? '') : '';
  const [train, test] = partsOf(all.rows, groupOf, table.testShare, `${path}: testShare`);
  return datasetOf(
    name,
    path,
    table,
    { train: { ...all, rows: train }, test: { ...all, rows: test } },
    source,
  );
}

interface Parts {
  readonly train: Rows;
  readonly test: Rows;
  readonly validation?: Rows;
}

function datasetOf(
  name: string,
  path: string,
  table: TableOptions,
  { train, test, validation }: Parts,
  source: Pick<DatasetSource, 'trainFraction' | 'holdOut'>,
): Dataset {
  const encoding = learnEncoding(table, train, (population) => indicesInUse(population, source));
  const [trained, tested, validated] = [train, test, ...(validation ? [validation] : [])].map((rows) =>
    encoded(encoding, rows),
  );
  if (!trained || !tested) throw new Error('internal: a table without its splits');
  const several = (rows: Rows, what: string) => counted(rows.rows.length, `${what} row`);
  return {
    name,
    fields: trained.fields,
    found: `found ${several(train, 'training')}${validation ? `, ${several(validation, 'validation')}` : ''} and ${several(test, 'test')} in ${path}: ${counted(encoding.features.length, 'feature')}`,
    about: encoding.about,
    bytes: trained.bytes + tested.bytes + (validated?.bytes ?? 0),
    train: trained.train,
    test: tested.train,
    ...(validated && { validation: validated.train }),
  };
}

function encoded(encoding: Encoding, rows: Rows): Dataset {
  const { x, y } = encoding.encode(rows);
  const features = { data: x, shape: [rows.rows.length, encoding.features.length] };
  return encoding.classes
    ? arraysDataset({ x: features, labels: y }, { strata: 'labels' })
    : arraysDataset({ x: features, y: { data: y, shape: [y.length] } });
}

/** The rows of a CSV file. Throws a UserError that names the line where it is not CSV, or has another number of cells. */
async function readRows(path: string, { delimiter }: TableOptions): Promise<Rows> {
  const records = parseCsv(path, await readBytes(path), delimiter);
  const [header, ...rows] = records;
  if (!header || rows.length === 0) {
    throw new UserError(
      `${path}: expected a header and at least one row, got ${counted(records.length, 'row')}`,
    );
  }
  const names = header.cells.map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`${path}:${header.line}: two columns are called ${twice}`);
  for (const { line, cells } of rows) {
    if (cells.length === names.length) continue;
    throw new UserError(
      `${path}:${line}: expected ${counted(names.length, 'cell')}, as in the header, got ${cells.length}`,
    );
  }
  return { file: path, header: names, rows };
}

function parseCsv(path: string, data: Uint8Array, delimiter: string): Rows['rows'][number][] {
  const rows: Rows['rows'][number][] = [];
  let ended = 0;
  try {
    parse(data, {
      bom: true,
      delimiter,
      relax_column_count: true,
      skip_empty_lines: true,
      on_record(cells: string[], { lines }) {
        ended = lines;
        rows.push({ line: lines, cells });
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = 'lines' in error && typeof error.lines === 'number' ? error.lines : ended + 1;
    throw new UserError(`${path}:${line}: not valid CSV: ${reason(error)}`);
  }
  return rows;
}
