/** `ortgrad artifacts`: an ONNX file of somebody else's as a graph that `ortgrad train` trains. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createSession } from '#runtime';
import { GRAPH_NAMES } from '../artifacts/graphs.ts';
import { ensureArtifact, openGraph } from '../artifacts/store.node.ts';
import { counted } from '../counted.ts';
import { UserError } from '../errors.ts';
import { exportTrained, withStart } from '../import/export.ts';
import { findTypes } from '../import/find-types.ts';
import type { ImportedModel } from '../import/import-model.ts';
import { withNewHead } from '../import/new-head.ts';
import { readModel } from '../import/onnx-model.ts';
import { adapterWeights } from '../import/peft.ts';
import type { Role } from '../layers/scope.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { graphsToRun } from '../run/plan.ts';
import { type HowRead, importFor, optionsFor } from '../tasks/import-for.ts';
import { naming, type OnnxBytes, readOnnx, sha256Of } from '../tasks/imported.node.ts';
import { importedTask } from '../tasks/imported.ts';
import { parseSpec } from '../tasks/parse-spec.ts';
import { isOnnxSpec } from '../tasks/spec.ts';
import { writeJson, writeWhole } from '../whole-file.node.ts';
import { helpText, parseFlags } from './flags.ts';
import { howRead, specOf, TABLE, type Values } from './imported-spec.ts';
import { print } from './print.ts';
import { type ReadAdapters, readAdapters } from './read-adapters.ts';
import { typed } from './typed.ts';

export async function artifacts(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Makes an ONNX file that another program exported trainable: all of it, what a pattern finds, or low-rank adapters. Writes a folder for --graph of the other commands.',
        usage: typed('artifacts', 'FILE [--trainable PATTERN] [--out FOLDER]'),
        examples: [
          typed('artifacts', "resnet.onnx --trainable '^(fc|layer4)' --classes 5 --out graphs/mine"),
          typed('artifacts', "encoder.onnx --lora 'attention.*(query|value)' --rank 8 --dim sequence=128"),
        ],
      }),
    );
    return;
  }
  const [file] = rest;
  if (file === undefined) throw new UserError('expected an ONNX file, for example model.onnx');
  const folder = values.out ?? path.join('graphs', path.basename(file, path.extname(file)));
  await writeSpec(file, folder, values);
  const graph = await openGraph(folder);
  const { microBatch } = graph.spec;
  const names = graphsToRun({
    ...{ gr: values.gr, grWarmup: 'none', lambda: 1, batchSize: microBatch, microBatch },
    ...{ diagnosticsEvery: 0, hessianEvery: 0 },
  });
  const artifact = await ensureArtifact(graph, { microBatch, memory: 'fast' }, [...names, 'evaluate']);
  const written = GRAPH_NAMES.filter((name) => artifact.manifest.graphs[name]);
  print(`${folder}: ${written.join(', ')}, for ${counted(microBatch, 'example')} at once`);
  print(`train with: ${typed('train', `--graph ${folder} --data …`)}`);
}

/** Writes spec.json and the file beside it, and tells what trains. */
async function writeSpec(file: string, folder: string, values: Values): Promise<void> {
  const read = await readOnnx(file);
  const plain = naming(file, () => bytesToWrite(read, values));
  const adapters = values.adapters === undefined ? undefined : await readAdapters(values.adapters);
  const how = await withTypes(file, plain, howRead(values, adapters));
  const { bytes, model } = naming(file, () => opened(plain, how, adapters));
  const spec = naming(file, () => specOf(values, how, model, sha256Of(bytes)));
  const checked = parseSpec(spec, path.join(folder, 'spec.json'));
  if (!isOnnxSpec(checked)) throw new Error('internal: a spec of another kind');
  const { trunk, fields } = naming(file, () => importedTask(model, checked));
  for (const line of aboutModel(model)) print(line);
  const data = Object.entries(trunk?.fields ?? fields).map(
    ([name, { dtype, shape }]) => `${name} ${dtype} [${['batch', ...shape].join(', ')}]`,
  );
  print(`data: ${checked.dataset}, ${data.join(', ')}`);
  await mkdir(folder, { recursive: true });
  await writeWhole(path.join(folder, checked.file), bytes);
  await writeJson(path.join(folder, 'spec.json'), spec);
}

/** The file with a new head where that is asked for, and with what it keeps in other files inside. */
function bytesToWrite({ bytes, external }: OnnxBytes, { classes, output }: Values): Uint8Array {
  const model = readModel(bytes, external);
  const isElsewhere = model.proto.graph.initializer.some(({ dataLocation }) => dataLocation === 1);
  const whole = isElsewhere ? exportTrained(model, { values: new Map(), adapters: [] }) : bytes;
  return classes === undefined ? whole : withNewHead(readModel(whole), classes, output);
}

/** With the types that the part which only runs has to be run for. */
async function withTypes(file: string, bytes: Uint8Array, how: HowRead): Promise<HowRead> {
  const source = naming(file, () => readModel(bytes));
  const { options } = naming(file, () => optionsFor(source, how));
  const features = await findTypes(source, options, async (part, feeds) => {
    const session = await createSession(part, { device: 'cpu', threads: 0, optimize: true });
    try {
      const wanted = Object.entries(feeds).filter(([name]) => session.inputs.includes(name));
      return await session.run(Object.fromEntries(wanted));
    } finally {
      await session.release();
    }
  }).catch((error: unknown) => naming(file, () => rethrow(error)));
  return Object.keys(features).length === 0 ? how : { ...how, features: typesOf(features) };
}

function rethrow(error: unknown): never {
  throw error;
}

function typesOf(types: Awaited<ReturnType<typeof findTypes>>): NonNullable<HowRead['features']> {
  return Object.fromEntries(
    Object.entries(types).map(([name, { dtype, shape }]) => {
      if (dtype === 'float16') throw new UserError(`${name}: expected float32 or integers, got float16`);
      return [name, { dtype, shape: [...shape] }];
    }),
  );
}

/** The model, and where it begins with adapters the file that holds them. */
function opened(
  bytes: Uint8Array,
  how: HowRead,
  adapters: ReadAdapters | undefined,
): { readonly bytes: Uint8Array; readonly model: ImportedModel } {
  const model = importFor(bytes, how);
  if (!adapters) return { bytes, model };
  const trained = model.variables.filter(({ role }) => role === 'trainable');
  const others = new Map(trained.map(({ path: name, shape }) => [name, shape]));
  const start = adapterWeights(model.adapters, others, adapters.tensors, adapters.file);
  const held = withStart(model.source, model.adapters, start);
  return { bytes: held, model: importFor(held, how) };
}

/** What trains, what does not, and what the file's reader has to say. */
function aboutModel({ variables, trunk, notes }: ImportedModel): string[] {
  const told = (role: Role, what: string): string[] => {
    const found = variables.filter((variable) => variable.role === role);
    if (found.length === 0) return [];
    const numbers = found.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    const names = found.map(({ path }) => path);
    const shown = names.length > 4 ? `${names.slice(0, 3).join(', ')}, … ${names.at(-1)}` : names.join(', ');
    return [`${what}: ${counted(numbers, 'number')} in ${counted(found.length, 'tensor')}: ${shown}`];
  };
  return [
    ...told('trainable', 'trains'),
    ...told('state', 'statistics of batches'),
    ...told('frozen', 'frozen'),
    ...(trunk
      ? [
          `runs as it is, before what trains: ${counted(trunk.nodes, 'node')}, up to ${Object.keys(trunk.features).join(', ')}`,
        ]
      : []),
    ...notes.map((note) => `note: ${note}`),
  ];
}
