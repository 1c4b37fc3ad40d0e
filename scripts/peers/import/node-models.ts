/**
 * Reads every case of a folder as ONNX's packages carry them (backend/test/data/node of PyPI `onnx` 1.17.0), lowers it, runs
 * it in ONNX Runtime, and compares what comes out with what the case expects. Prints what passed, what was refused and
 * why, and what failed.
 *
 *     npm run peers:import -- FOLDER [--only REGEXP] [--verbose]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UserError } from '../../../src/errors.ts';
import type { FileTensor } from '../../../src/import/decode-tensor.ts';
import { typeName } from '../../../src/import/element-types.ts';
import { interpret, lowering } from '../../../src/import/interpret.ts';
import { readModel } from '../../../src/import/onnx-model.ts';
import { type TensorSource, tensorSources } from '../../../src/import/tensor-source.ts';
import { inNewestForm } from '../../../src/import/versions.ts';
import { Scope } from '../../../src/layers/scope.ts';
import { input } from '../../../src/onnx/ops.ts';
import { sameShape, show } from '../../../src/onnx/shapes.ts';
import { createSession } from '../../../src/runtime/ort.node.ts';
import type { Tensor } from '../../../src/runtime/session.ts';
import { run } from '../../../test/_run.ts';
import { readTensor } from './proto.ts';

/** The tolerance of ONNX's own runner. */
const RELATIVE = 1e-3;
const ABSOLUTE = 1e-5;

/** The types whose numbers graphs of ours compute with; those of other widths are rounded to the nearest of these. */
const OURS = new Set([
  'float',
  'double',
  'float16',
  'bool',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
]);

type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'runtime' | 'refused' | 'failed'; readonly reason: string };

/** Which inputs of a case are known while its graph is written: none, those that are no floats, or all but the first. */
type Knowing = (tensor: FileTensor, index: number) => boolean;
const KNOWINGS: readonly Knowing[] = [
  () => false,
  ({ dtype }) => dtype !== 'float32',
  ({ dtype, data }, index) => dtype !== 'float32' || (index > 0 && data.length <= 8),
  ({ shape }, index) => index > 0 && shape.length <= 1,
  (_, index) => index > 0,
];

function tensorsIn(folder: string, kind: 'input' | 'output'): (FileTensor | undefined)[] {
  const names = readdirSync(folder).filter((name) => name.startsWith(`${kind}_`));
  return names.map((_, i) => {
    const file = join(folder, `${kind}_${i}.pb`);
    return readTensor(readFileSync(file), file);
  });
}

function differs(got: ArrayLike<number>, wanted: ArrayLike<number>): string | undefined {
  if (got.length !== wanted.length) return `expected ${wanted.length} numbers, got ${got.length}`;
  for (let i = 0; i < got.length; i++) {
    const [a, b] = [got[i] ?? Number.NaN, wanted[i] ?? Number.NaN];
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (Math.abs(a - b) <= ABSOLUTE + RELATIVE * Math.abs(b)) continue;
    return `expected ${b} at ${i}, got ${a}`;
  }
  return undefined;
}

interface Case {
  readonly folder: string;
  readonly inputs: readonly FileTensor[];
  readonly outputs: readonly FileTensor[];
}

/** Lowers a case with some inputs known, and runs it. Throws UserError where that cannot be. */
async function attempt({ folder, inputs, outputs }: Case, isKnown: Knowing): Promise<string | undefined> {
  const model = readModel(readFileSync(join(folder, 'model.onnx')));
  const { nodes, constants } = inNewestForm(model.nodes);
  const tensors = new Map<string, TensorSource>(tensorSources(model, constants));
  const fed = new Map<string, FileTensor>();
  model.inputs.forEach(({ name }, i) => {
    const tensor = inputs[i];
    if (!tensor) return;
    const { shape, dtype, stored, data } = tensor;
    const source = { name, isInitializer: true, shape, dtype, stored, size: data.length, read: () => tensor };
    if (isKnown(tensor, i)) tensors.set(name, source);
    else fed.set(name, tensor);
  });
  const walk = {
    ...{ nodes, tensors, fed, variables: new Map(), adapters: new Map() },
    ...{ trained: new Set<string>(), trunk: new Set<string>() },
    ...{ fixedBatch: undefined, generalised: new Set<string>(), dropout: false },
  };
  const { entries, problems } = interpret(walk, {
    scope: new Scope({ training: false }),
    batch: 1,
    source: (name, type) => input(name, type.shape, type.dtype),
  });
  const [problem] = problems;
  if (problem) throw new UserError(problem.message);
  const values = Object.fromEntries(
    model.outputs.map((name) => {
      const entry = entries.get(name);
      if (!entry) throw new UserError(`no value for ${name}`);
      return [`out/${name}`, entry.value];
    }),
  );
  const data = Object.fromEntries(
    [...fed].flatMap(([name, tensor]) => (tensor.data instanceof Uint16Array ? [] : [[name, tensor.data]])),
  );
  const results = await runs(values, data);
  for (const [i, wanted] of outputs.entries()) {
    const name = `out/${model.outputs[i]}`;
    const shape = values[name]?.shape ?? [];
    if (!sameShape(shape, wanted.shape)) return `expected shape ${show(wanted.shape)}, got ${show(shape)}`;
    const difference = differs(results[name] ?? [], Array.from(wanted.data, Number));
    if (difference) return `${model.outputs[i]}: ${difference}`;
  }
  return undefined;
}

/** Whether ONNX Runtime gives what we give, where that is not what the case expects. */
async function isAsRuntime(given: Case, isKnown: Knowing): Promise<boolean> {
  try {
    return await equalsRuntime(given, isKnown);
  } catch {
    return false; // ONNX Runtime does not run it
  }
}

async function equalsRuntime(given: Case, isKnown: Knowing): Promise<boolean> {
  const session = await createSession(readFileSync(join(given.folder, 'model.onnx')), {
    device: 'cpu',
    threads: 1,
  });
  const feeds = Object.fromEntries(
    session.inputs.flatMap((name, i): [string, Tensor][] => {
      const tensor = given.inputs[i];
      if (!tensor || tensor.data instanceof Uint16Array || tensor.dtype === 'float16') return [];
      return [[name, { ...tensor, dtype: tensor.dtype, data: tensor.data }]];
    }),
  );
  const results = await session.run(feeds);
  await session.release();
  const outputs = session.outputs.flatMap((name): FileTensor[] => {
    const tensor = results[name];
    return tensor ? [{ ...tensor, stored: tensor.dtype }] : [];
  });
  return (await attempt({ ...given, outputs }, isKnown)) === undefined;
}

const runs: typeof run = async (values, data) => {
  try {
    return await run(values, data);
  } catch (error) {
    throw new Error(`while running: ${messageOf(error)}`);
  }
};

async function outcomeOf(folder: string): Promise<Outcome> {
  let found: Case;
  try {
    const [set] = readdirSync(folder).filter((name) => name.startsWith('test_data_set_'));
    if (!set) return { kind: 'refused', reason: 'no data' };
    const [inputs, outputs] = [tensorsIn(join(folder, set), 'input'), tensorsIn(join(folder, set), 'output')];
    const there = (all: readonly (FileTensor | undefined)[]): FileTensor[] =>
      all.filter((x) => x !== undefined);
    const model = readModel(readFileSync(join(folder, 'model.onnx')));
    const foreign = [...there(inputs), ...there(outputs)].find(({ stored }) => !OURS.has(stored));
    if (foreign) return { kind: 'refused', reason: `data of type ${foreign.stored}` };
    const empty = [...there(inputs).slice(0, 1), ...there(outputs)].find(({ data }) => data.length === 0);
    if (empty) return { kind: 'refused', reason: 'a tensor without numbers' };
    const other = model.inputs.find(
      ({ dataType }, i) => inputs[i] && typeName(dataType) !== inputs[i]?.stored,
    );
    const produced = model.outputs.find((name, i) => {
      const type = model.types.get(name);
      return type && outputs[i] && typeName(type.dataType) !== outputs[i].stored;
    });
    if (produced)
      return { kind: 'refused', reason: `the data of ${produced} are of another type than it says` };
    if (other)
      return { kind: 'refused', reason: `the data of ${other.name} are of another type than it says` };
    found = { folder, inputs: there(inputs), outputs: there(outputs) };
    if (there(inputs).length < inputs.length) return { kind: 'refused', reason: 'a sequence or an optional' };
  } catch (error) {
    return { kind: 'refused', reason: messageOf(error) };
  }
  let first = '';
  for (const isKnown of KNOWINGS) {
    try {
      const difference = await attempt(found, isKnown);
      if (!difference) return { kind: 'passed' };
      const reason = difference;
      return { kind: (await isAsRuntime(found, isKnown)) ? 'runtime' : 'failed', reason };
    } catch (error) {
      const reason = messageOf(error).replace(/^.*?import: /, '');
      if (!(error instanceof UserError)) return { kind: 'failed', reason };
      first = reason;
    }
  }
  return { kind: 'refused', reason: first };
}

/** The operators of a case: those that no lowering has come first. */
function opsOf(folder: string): string {
  try {
    const { nodes } = inNewestForm(readModel(readFileSync(join(folder, 'model.onnx'))).nodes);
    const unknown = nodes.filter((node) => node.op !== 'Constant' && !lowering(node));
    return [...new Set((unknown.length > 0 ? unknown : nodes).map(({ op }) => op))].join(' ');
  } catch {
    return 'unreadable';
  }
}

const { values: flags, positionals } = parseArgs({
  options: { only: { type: 'string' }, verbose: { type: 'boolean' } },
  allowPositionals: true,
});
const [root = ''] = positionals;
const pattern = new RegExp(flags.only ?? '');
const KINDS = ['passed', 'runtime', 'refused', 'failed'] as const;
const noneOf = () => ({ passed: 0, runtime: 0, refused: 0, failed: 0, reasons: new Set<string>() });
const table = new Map<string, ReturnType<typeof noneOf>>();
for (const name of readdirSync(root)
  .filter((each) => pattern.test(each))
  .sort()) {
  const outcome = await outcomeOf(join(root, name));
  const op = opsOf(join(root, name));
  const row = table.get(op) ?? noneOf();
  row[outcome.kind]++;
  table.set(op, row);
  if (outcome.kind === 'passed') continue;
  row.reasons.add(outcome.reason);
  if (flags.verbose || outcome.kind !== 'refused')
    process.stdout.write(`${outcome.kind} ${name} (${op}): ${outcome.reason}\n`);
}
const total = noneOf();
process.stdout.write(
  '\n| operator | passed | as ONNX Runtime | refused | failed | refused since |\n|---|---:|---:|---:|---:|---|\n',
);
for (const [op, row] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
  for (const kind of KINDS) total[kind] += row[kind];
  const [reason = ''] = row.reasons;
  process.stdout.write(`| ${op} | ${KINDS.map((kind) => row[kind]).join(' | ')} | ${reason} |\n`);
}
process.stdout.write(`| all | ${KINDS.map((kind) => total[kind]).join(' | ')} | |\n`);
