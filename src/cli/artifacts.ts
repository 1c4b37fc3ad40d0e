/** `ortgrad artifacts`: an ONNX file of somebody else's as a graph that `ortgrad train` trains. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { GRAPH_NAMES } from '../artifacts/graphs.ts';
import { ensureArtifact, openGraph } from '../artifacts/store.node.ts';
import { counted } from '../counted.ts';
import { UserError } from '../errors.ts';
import { withStart } from '../import/export.ts';
import type { ImportedModel } from '../import/import-model.ts';
import { adapterWeights } from '../import/peft.ts';
import { startingFile } from '../import/starting-file.ts';
import type { Role } from '../layers/scope.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { withFeatureTypes } from '../run/feature-types.ts';
import { graphsToRun } from '../run/plan.ts';
import { type HowRead, importFor, named, naming } from '../tasks/import-for.ts';
import { readOnnx, sha256Of } from '../tasks/imported.node.ts';
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
  const plain = naming(file, () => startingFile(read.bytes, values, read.external));
  const adapters = values.adapters === undefined ? undefined : await readAdapters(values.adapters);
  const how = await withFeatureTypes(plain, howRead(values, adapters)).catch((error: unknown) => {
    throw named(file, error);
  });
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
