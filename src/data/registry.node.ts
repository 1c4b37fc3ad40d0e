/** Finds the function that opens a dataset: one of ours by its name, a user's own by the path of its module. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { askedAsync, nearestName, show, UserError } from '../errors.ts';
import { moduleBeside } from '../module-beside.node.ts';
import { importProblem } from '../tasks/module.node.ts';
import { FIELD_TYPES } from '../tasks/task.ts';
import type { Dataset, DatasetSource, Split } from './dataset.ts';
import { DATASET_NAMES, entryOf } from './names.ts';

/** Whether a dataset's name is the path of a module: `./my-data.js`, `/data/mine.ts`, a file URL. */
export function isModulePath(name: string): boolean {
  return /^(\.{0,2}[/\\]|file:|[A-Za-z]:[/\\])/.test(name);
}

/** Throws a UserError unless the name is one of ours or the path of a module that exists. It is cheap. */
export function expectDatasetName(name: unknown): asserts name is string {
  if (typeof name === 'string') {
    if (entryOf(name)) return;
    if (isModulePath(name)) {
      const path = pathOf(name);
      if (existsSync(path)) return;
      throw new UserError(`dataset ${name}: no module ${path}; expected one that exports \`open\``);
    }
  }
  const nearest = typeof name === 'string' ? nearestName(name, DATASET_NAMES) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  throw new UserError(
    `dataset: expected one of ${DATASET_NAMES.join(', ')}, or the path of a module such as ./my-data.js, got ${show(name)}${hint}`,
  );
}

/** Opens the dataset of a name or of a module. Throws a UserError if it gives no dataset, or cannot be opened. */
export async function openByName(source: DatasetSource): Promise<Dataset> {
  const { dataset: name } = source;
  expectDatasetName(name);
  const entry = entryOf(name);
  const url = entry ? moduleBeside(`${entry.file}.node`, import.meta.url) : pathToFileURL(pathOf(name));
  const found: { readonly open?: unknown; readonly default?: unknown } = await import(url.href).catch(
    (error: unknown) => {
      if (entry) throw error;
      throw new UserError(`dataset ${name}: cannot be imported: ${importProblem(error)}`, { cause: error });
    },
  );
  const open = found.open ?? found.default;
  const dataset: unknown = await openWith(name, open, source, entry !== undefined);
  expectDataset(name, dataset);
  return dataset;
}

/** What a module's export gives, called where it is a function. Errors of a user's own name its module. */
async function openWith(
  name: string,
  open: unknown,
  source: DatasetSource,
  isOurs: boolean,
): Promise<unknown> {
  if (typeof open !== 'function') return open;
  return isOurs ? open(source) : askedAsync(`dataset ${name}: open`, () => open(source));
}

function pathOf(name: string): string {
  return name.startsWith('file:') ? fileURLToPath(name) : resolve(name);
}

/** Throws a UserError that says what a module gives in place of a dataset. */
function expectDataset(name: string, given: unknown): asserts given is Dataset {
  const where = `dataset ${name}`;
  if (!isRecord(given)) {
    throw new UserError(
      `${where}: expected the module to export a function \`open\` that gives a dataset, or a dataset; got ${show(given)}`,
    );
  }
  if (!isRecord(given.fields) || Object.keys(given.fields).length === 0) {
    throw new UserError(`${where}: fields: expected { name: { dtype, shape } }, got ${show(given.fields)}`);
  }
  for (const [field, about] of Object.entries(given.fields)) {
    const { dtype, shape } = isRecord(about) ? about : {};
    const isShape = Array.isArray(shape) && shape.every((dim) => Number.isInteger(dim) && dim >= 1);
    if (isShape && FIELD_TYPES.some((type) => type === dtype)) continue;
    throw new UserError(
      `${where}: field ${field}: expected a dtype (${FIELD_TYPES.join(', ')}) and a shape of sizes ≥ 1, got ${show(about)}`,
    );
  }
  for (const [what, isRight, expected] of [
    ['name', typeof given.name === 'string', 'a text'],
    ['found', typeof given.found === 'string', 'a sentence that says how much was found'],
    ['about', isRecord(given.about), 'an object, {} if there is nothing to say'],
    ['bytes', Number.isFinite(given.bytes), 'the bytes that it holds in memory, 0 if few'],
  ] as const) {
    if (!isRight) throw new UserError(`${where}: ${what}: expected ${expected}, got ${show(given[what])}`);
  }
  expectSplit(`${where}: train`, given.train);
  expectSplit(`${where}: test`, given.test);
  if (given.validation !== undefined) expectSplit(`${where}: validation`, given.validation);
}

function expectSplit(where: string, given: unknown): asserts given is Split {
  const { length, read, strata } = isRecord(given) ? given : {};
  if (typeof length !== 'number' || !Number.isInteger(length) || typeof read !== 'function') {
    throw new UserError(`${where}: expected a split, { length, read(index, out, at) }, got ${show(given)}`);
  }
  if (strata === undefined || (strata instanceof Int32Array && strata.length === length)) return;
  throw new UserError(`${where}: strata: expected an Int32Array of ${length}, one number for each example`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
