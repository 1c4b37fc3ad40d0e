/** Graph folders on disk: finding a spec, writing its graphs when they are missing or stale. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isIntact, sha256, withDigest } from '../digest.ts';
import { nearestName, UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { serialize } from '../onnx/serialize.ts';
import { fileError } from '../system-error.ts';
import { writeJson, writeWhole } from '../whole-file.node.ts';
import { type BuiltGraphs, buildGraphs, GRAPH_NAMES, type GraphName, type Variant } from './build.ts';
import { describeGraphs, type Manifest, parseManifest } from './image-manifest.ts';
import { parseSpec, type Spec } from './spec.ts';

export interface GraphFolder {
  readonly name: string;
  /** Of the spec. */
  readonly folder: string;
  /** Where the graphs are written: the spec's folder, or `graphs/<name>` here for a spec of the installed package. */
  readonly output: string;
  readonly spec: Spec;
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
  const candidates = [...roots().map((root) => path.join(root, nameOrPath)), path.resolve(nameOrPath)];
  const folder = candidates.find((candidate) => existsSync(path.join(candidate, 'spec.json')));
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
  return { name, folder, output, spec: parseSpec(await readJsonFile(file), file) };
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
  const hash = hashOf(graph.spec, variant);
  const file = (name: GraphName): string => path.join(folder, `${name}.onnx`);
  const current = await currentManifest(folder, hash);
  const states = await Promise.all(
    names.map(async (name) => ({ name, state: await stateOf(file(name), current?.graphs[name]?.sha256) })),
  );
  const damaged = states.flatMap(({ name, state }) => (state === 'damaged' ? [name] : []));
  const missing = states.flatMap(({ name, state }) => (state === 'intact' ? [] : [name]));
  if (current && missing.length === 0) return { manifest: current, file, written: [], damaged };
  const built = buildForSpec(graph, variant);
  const { graphs, ...rest } = describeGraphs(
    graph.name,
    graph.spec,
    built,
    variant.microBatch,
    hash,
    missing,
  );
  await mkdir(folder, { recursive: true });
  if (!current) {
    await rm(path.join(folder, 'manifest.json'), { force: true });
    for (const name of GRAPH_NAMES) await rm(file(name), { force: true });
  }
  const all: Manifest['graphs'] = { ...current?.graphs };
  for (const name of missing) {
    const bytes = serialize(built.graphs[name]);
    await writeWhole(file(name), bytes);
    const described = graphs[name];
    if (described) all[name] = { ...described, sha256: await sha256(bytes) };
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

/** `batch-16`, `lean`, `batch-16-lean`; nothing where both are the spec's own. */
function variantFolder(spec: Spec, { microBatch, memory }: Variant): string {
  const parts = [
    ...(microBatch === spec.microBatch ? [] : [`batch-${microBatch}`]),
    ...(memory === 'fast' ? [] : [memory]),
  ];
  return parts.join('-');
}

/** The graphs of a folder's spec. */
export function buildForSpec({ spec }: GraphFolder, { microBatch, memory }: Variant): BuiltGraphs {
  return buildGraphs(spec, microBatch, { memory });
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

function hashOf(spec: Spec, { microBatch, memory }: Variant): string {
  return createHash('sha256')
    .update(generatorSource())
    .update(JSON.stringify(spec))
    .update(`${microBatch} ${memory}`)
    .digest('hex');
}

let cachedSource: string | undefined;

/** The generator's own code, so that a change to it makes every graph stale without anybody bumping a version. */
function generatorSource(): string {
  cachedSource ??= ['onnx', 'autodiff', 'passes', 'layers', 'losses', 'models', 'step', 'artifacts']
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
