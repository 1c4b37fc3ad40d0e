/** Graph folders on disk: finding a spec, writing its graphs when they are missing or stale. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isIntact, sha256, withDigest } from '../digest.ts';
import { nearestName, UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { inlineCalls, mapOutputs, topologicalOrder } from '../onnx/graph.ts';
import { print } from '../onnx/print.ts';
import { serialize } from '../onnx/serialize.ts';
import { isOp } from '../onnx/value.ts';
import { fileError } from '../system-error.ts';
import { readTask } from '../tasks/imported.node.ts';
import { importTask } from '../tasks/module.node.ts';
import { taskOf } from '../tasks/own.ts';
import { parseSpec } from '../tasks/parse-spec.ts';
import { isImageSpec, isModuleSpec, isOwnSpec, type ModuleSpec, type Spec } from '../tasks/spec.ts';
import type { Task } from '../tasks/task.ts';
import { traceTask } from '../tasks/trace.ts';
import { writeJson, writeWhole } from '../whole-file.node.ts';
import { GRAPH_NAMES, type GraphName, type MemoryVariant, TaskGraphs } from './graphs.ts';
import { describeTask, type Manifest, parseManifest } from './manifest.ts';
import { frozenRoles } from './roles.ts';

export interface GraphFolder {
  readonly name: string;
  /** Of the spec. */
  readonly folder: string;
  /** Where the graphs are written: the spec's folder, or `graphs/<name>` here for a spec of the installed package. */
  readonly output: string;
  readonly spec: Spec;
  /** What the spec describes, or what its module exports. */
  readonly task: Task;
}

/** What a spec does not say of its graphs. */
export interface Variant extends MemoryVariant {
  /** Variables whose path this regular expression finds are not trained. */
  readonly freeze?: string | undefined;
}

export interface Artifact {
  readonly manifest: Manifest;
  /** Absolute path of a graph's ONNX file. */
  readonly file: (name: GraphName) => string;
  /** The graphs that were missing, stale or damaged. */
  readonly written: readonly GraphName[];
  /** Those among them whose file was not what had been written there. */
  readonly damaged: readonly GraphName[];
}

/** Where graphs are looked for: beside the caller first, then those that come with the package. */
function roots(): string[] {
  const own = fileURLToPath(new URL('../../graphs', import.meta.url));
  return [...new Set([path.resolve('graphs'), own])].filter((folder) => existsSync(folder));
}

/** The names under graphs/ that have a spec. */
export function listGraphs(): string[] {
  const names = roots().flatMap((root) =>
    readdirSync(root).filter((name) => existsSync(path.join(root, name, 'spec.json'))),
  );
  return [...new Set(names)].sort();
}

/** Finds a graph by its name under graphs/, or by the path of a folder that holds a spec.json. Throws UserError. */
export async function openGraph(nameOrPath: string): Promise<GraphFolder> {
  const folder = findGraph(nameOrPath);
  if (folder === undefined) {
    const names = listGraphs();
    const nearest = nearestName(nameOrPath, names);
    const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    throw new UserError(
      `--graph ${nameOrPath}: no such graph.${hint} Expected a folder with a spec.json or one of ${names.join(', ')}`,
    );
  }
  const file = path.join(folder, 'spec.json');
  const name = path.basename(folder);
  const isInstalled = folder.split(path.sep).includes('node_modules');
  const output = isInstalled ? path.resolve('graphs', name) : folder;
  const spec = parseSpec(await readJsonFile(file), file);
  return { name, folder, output, spec, task: await openTask(spec, folder) };
}

/** The folder of a graph, by its name or path; undefined where there is none. */
export function findGraph(nameOrPath: string): string | undefined {
  const candidates = [...roots().map((root) => path.join(root, nameOrPath)), path.resolve(nameOrPath)];
  return candidates.find((candidate) => existsSync(path.join(candidate, 'spec.json')));
}

/** A graph of one of our tasks whose spec a run has changed: with the task that the other spec describes. */
export function withSpec(graph: GraphFolder, spec: Spec): GraphFolder {
  return spec === graph.spec || !isOwnSpec(spec) ? graph : { ...graph, spec, task: taskOf(spec) };
}

/**
 * A user's module as a graph: `module` is the path of a file that exports a task. Its graphs are written to
 * `graphs/<name>` here. Throws UserError.
 */
export async function openModule(
  module: string,
  about: Omit<ModuleSpec, 'task' | 'target'>,
): Promise<GraphFolder> {
  const spec = { ...about, target: 'cpu', task: { module: path.resolve(module), export: 'task' } } as const;
  const name = path.basename(module, path.extname(module));
  const output = path.resolve('graphs', name);
  return { name, folder: path.dirname(path.resolve(module)), output, spec, task: await openTask(spec, '') };
}

function openTask(spec: Spec, folder: string): Promise<Task> {
  if (isOwnSpec(spec)) return Promise.resolve(taskOf(spec));
  return isModuleSpec(spec) ? importTask(spec, folder) : readTask(spec, path.join(folder, spec.file));
}

/**
 * The graphs `names` of a variant, written where they are missing, where their bytes are not those that were written, or
 * where the spec or the generator has changed. The fast ones of the spec's own micro-batch lie in its folder, others in a
 * folder of theirs below it. Throws a UserError where a file cannot be read or written.
 */
export async function ensureArtifact(
  graph: GraphFolder,
  variant: Variant,
  names: readonly GraphName[] = GRAPH_NAMES,
): Promise<Artifact> {
  const folder = path.join(graph.output, variantFolder(graph.spec, variant));
  const built = once(() => graphsOf(graph, variant));
  const hash = hashOf(graph, variant, built);
  const file = (name: GraphName): string => path.join(folder, `${name}.onnx`);
  const current = await currentManifest(folder, hash);
  const isWeighted = (current?.terms ?? describedTerms(built())).some(({ weighted }) => weighted);
  const wanted = [
    ...names.filter((name) => name !== 'weights'),
    ...(isWeighted ? (['weights'] as const) : []),
  ];
  const states = await Promise.all(
    wanted.map(async (name) => ({ name, state: await stateOf(file(name), current?.graphs[name]?.sha256) })),
  );
  const damaged = states.flatMap(({ name, state }) => (state === 'damaged' ? [name] : []));
  const missing = states.flatMap(({ name, state }) => (state === 'intact' ? [] : [name]));
  if (current && missing.length === 0) return { manifest: current, file, written: [], damaged };
  const graphs = built();
  const { graphs: described, ...rest } = describeTask(graph.task, graphs, {
    name: graph.name,
    hash,
    graphs: missing,
  });
  await mkdir(folder, { recursive: true });
  // Files are replaced, never removed: another process that has just written the same graphs may be about to open them.
  const all: Manifest['graphs'] = { ...current?.graphs };
  for (const name of missing) {
    const bytes = serialize(graphs.graph(name));
    await writeWhole(file(name), bytes);
    const about = described[name];
    if (about) all[name] = { ...about, sha256: await sha256(bytes) };
  }
  // The manifest goes last: its hashes vouch for the files that it names.
  const manifest = { ...rest, graphs: all };
  await writeJson(path.join(folder, 'manifest.json'), await withDigest(manifest));
  return { manifest, file, written: missing, damaged };
}

/** `expected`: the digest of the file that the manifest names, undefined where it names none. */
async function stateOf(
  file: string,
  expected: string | undefined,
): Promise<'missing' | 'damaged' | 'intact'> {
  if (expected === undefined || !existsSync(file)) return 'missing';
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fileError(error, file);
  });
  return (await sha256(bytes)) === expected ? 'intact' : 'damaged';
}

/** `batch-16`, `lean`, `soft-labels`, `batch-16-lean-frozen-1a2b3c4d`; nothing where all are the spec's own. */
function variantFolder(spec: Spec, { microBatch, memory, freeze }: Variant): string {
  const parts = [
    ...(microBatch === spec.microBatch ? [] : [`batch-${microBatch}`]),
    ...(memory === 'fast' ? [] : [memory]),
    ...(isImageSpec(spec) && spec.labels === 'distributions' ? ['soft-labels'] : []),
    ...(freeze === undefined
      ? []
      : [`frozen-${createHash('sha256').update(freeze).digest('hex').slice(0, 8)}`]),
  ];
  return parts.join('-');
}

/** The graphs of a folder's task. Throws UserError for a task that is not right, and a pattern that finds nothing. */
export function graphsOf({ spec, task }: GraphFolder, { microBatch, memory, freeze }: Variant): TaskGraphs {
  return new TaskGraphs(task, {
    batch: microBatch,
    memory,
    target: spec.target,
    roles: frozenRoles(task, freeze),
  });
}

function describedTerms({ pass }: TaskGraphs): readonly { readonly weighted: boolean }[] {
  return pass.terms.map(({ weight }) => ({ weighted: weight !== undefined }));
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

async function currentManifest(folder: string, hash: string): Promise<Manifest | undefined> {
  const file = path.join(folder, 'manifest.json');
  if (!existsSync(file)) return undefined;
  try {
    const json = await readJsonFile(file);
    const manifest = parseManifest(json, file);
    return manifest.hash === hash && (await isIntact(json)) ? manifest : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined; // a broken manifest is a stale one
    throw error;
  }
}

/** Of all that graphs are made from. Of a module's code nothing is known, so that its graphs themselves are taken. */
function hashOf(
  { spec }: GraphFolder,
  { microBatch, memory, freeze = '' }: Variant,
  built: () => TaskGraphs,
): string {
  return createHash('sha256')
    .update(generatorSource())
    .update(JSON.stringify(spec))
    .update(`${microBatch} ${memory} ${freeze}`)
    .update(isModuleSpec(spec) ? taskHash(built().task) : '')
    .digest('hex');
}

/**
 * sha-256 of all that a task computes, in training and in evaluation, before it is differentiated: the same whatever the
 * micro-batch and the version of the passes. Throws UserError for a task that is not right.
 */
export function taskHash(task: Task): string {
  const hash = createHash('sha256');
  for (const training of [true, false]) {
    const { fields, variables, masks, uniforms, scalars, outputs, terms, sums, nextState } = traceTask(task, {
      batch: EXAMPLES_TO_HASH,
      training,
    });
    const kept = [...variables, ...masks, ...uniforms, ...(training ? scalars : [])].map(
      ({ value }) => value,
    );
    const named = [
      ...Object.entries(outputs).map(([name, value]) => [`output/${name}`, value] as const),
      ...terms.map(({ name, total }) => [`total/${name}`, total] as const),
      ...terms.flatMap(({ name, weight }) => (weight ? [[`weight/${name}`, weight] as const] : [])),
      ...Object.entries(sums).map(([name, value]) => [`sums/${name}`, value] as const),
      ...[...nextState].map(([path, value]) => [`next/${path}`, value] as const),
    ];
    const inputs = [...Object.values(fields), ...kept];
    const graph = mapOutputs({ name: 'task', inputs, outputs: Object.fromEntries(named) }, inlineCalls);
    hash.update(print(graph));
    // A printed graph shows the beginning of a constant only.
    for (const node of topologicalOrder(Object.values(graph.outputs))) {
      if (isOp(node, 'Constant')) hash.update(String(node.attributes.data));
    }
    hash.update(JSON.stringify(variables.map(({ path, role, init }) => [path, role, init])));
    hash.update(JSON.stringify(masks.map(({ name, per, keep }) => [name, per, keep])));
    hash.update(JSON.stringify(uniforms.map(({ name, per }) => [name, per])));
  }
  return hash.digest('hex');
}

const EXAMPLES_TO_HASH = 2;

let cachedSource: string | undefined;

/** The generator's own code, so that a change to it makes every graph stale without anybody bumping a version. */
function generatorSource(): string {
  cachedSource ??= [
    'onnx',
    'autodiff',
    'passes',
    'layers',
    'losses',
    'metrics',
    'models',
    'import',
    'tasks',
    'step',
    'artifacts',
  ]
    .flatMap((part) => sourceFiles(fileURLToPath(new URL(`../${part}`, import.meta.url))))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\0');
  return cachedSource;
}

function sourceFiles(location: string): string[] {
  if (!existsSync(location))
    return ['.ts', '.js'].map((ending) => location + ending).filter((file) => existsSync(file));
  if (statSync(location).isFile()) return [location];
  return readdirSync(location)
    .sort()
    .flatMap((name) => sourceFiles(path.join(location, name)))
    .filter((file) => /(?<!\.d)\.[tj]s$/.test(file));
}
