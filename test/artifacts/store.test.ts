import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { parseManifest } from '../../src/artifacts/manifest.ts';
import { ensureArtifact, openGraph } from '../../src/artifacts/store.node.ts';
import { temporaryFolder } from '../storage/_records.ts';

const SPEC = {
  dataset: 'mnist',
  image: { channels: 1, height: 4, width: 4 },
  classes: 3,
  model: { kind: 'mlp', hidden: [5] },
  microBatch: 4,
};
const FAST = { microBatch: 4, memory: 'fast' } as const;

function specFolder(parent: string, spec: object = SPEC): string {
  const folder = path.join(parent, 'tiny');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'spec.json'), JSON.stringify(spec));
  return folder;
}

const filesIn = (folder: string) =>
  readdirSync(folder).filter((name) => name.endsWith('.onnx') || name === 'manifest.json');

function manifestIn(folder: string) {
  const file = path.join(folder, 'manifest.json');
  return parseManifest(JSON.parse(readFileSync(file, 'utf8')), file);
}

test('only the graphs that are asked for are written, others when they are, and each once', async (t) => {
  const folder = specFolder(temporaryFolder(t));
  const graph = await openGraph(folder);
  const first = await ensureArtifact(graph, FAST, ['loss-grad']);
  t.deepEqual(first.written, ['loss-grad']);
  t.deepEqual(filesIn(folder), ['loss-grad.onnx', 'manifest.json']);
  t.deepEqual(Object.keys(manifestIn(folder).graphs), ['loss-grad']);

  const second = await ensureArtifact(graph, FAST, ['loss-grad', 'hvp']);
  t.deepEqual(second.written, ['hvp']);
  t.deepEqual(manifestIn(folder), second.manifest);
  t.deepEqual(Object.keys(second.manifest.graphs), ['loss-grad', 'hvp']);

  t.deepEqual((await ensureArtifact(graph, FAST, ['hvp'])).written, []);
  rmSync(path.join(folder, 'hvp.onnx'));
  t.deepEqual((await ensureArtifact(graph, FAST, ['hvp'])).written, ['hvp']);
  t.deepEqual((await ensureArtifact(graph, FAST)).written, ['gr-exact', 'evaluate', 'infer']);
});

test('a file that another process has written, and its manifest not yet, stays', async (t) => {
  const folder = specFolder(temporaryFolder(t));
  const graph = await openGraph(folder);
  const { file } = await ensureArtifact(graph, FAST, ['loss-grad']);
  rmSync(path.join(folder, 'manifest.json'));
  await ensureArtifact(graph, FAST, ['infer']);
  t.true(existsSync(file('loss-grad')));
});

test('every micro-batch and memory level has a folder of its own', async (t) => {
  const folder = specFolder(temporaryFolder(t));
  const graph = await openGraph(folder);
  const folders = {
    '': FAST,
    remat: { microBatch: 4, memory: 'remat' },
    'batch-2': { microBatch: 2, memory: 'fast' },
    'batch-2-lean': { microBatch: 2, memory: 'lean' },
  } as const;
  const hashes = new Set<string>();
  for (const [name, variant] of Object.entries(folders)) {
    const { file, manifest } = await ensureArtifact(graph, variant, ['loss-grad']);
    t.is(file('loss-grad'), path.join(folder, name, 'loss-grad.onnx'));
    t.true(existsSync(file('loss-grad')));
    t.like(manifest, variant);
    hashes.add(manifest.hash);
  }
  t.is(hashes.size, 4);
});

test('graphs of another spec or level, or with a manifest of before levels, are stale', async (t) => {
  const parent = temporaryFolder(t);
  const folder = specFolder(parent);
  await ensureArtifact(await openGraph(folder), FAST);
  specFolder(parent, { ...SPEC, classes: 4 });
  const changed = await ensureArtifact(await openGraph(folder), FAST, ['infer']);
  t.deepEqual(changed.written, ['infer']);
  t.deepEqual(Object.keys(manifestIn(folder).graphs), ['infer']);
  t.deepEqual((await ensureArtifact(await openGraph(folder), FAST, ['hvp'])).written, ['hvp']);

  const file = path.join(folder, 'manifest.json');
  const { memory: _, ...old } = changed.manifest;
  writeFileSync(file, JSON.stringify(old));
  t.deepEqual((await ensureArtifact(await openGraph(folder), FAST, ['infer'])).written, ['infer']);
  // The files of another level, put in this one's place.
  writeFileSync(
    file,
    JSON.stringify((await ensureArtifact(await openGraph(folder), { ...FAST, memory: 'lean' })).manifest),
  );
  t.deepEqual((await ensureArtifact(await openGraph(folder), FAST, ['infer'])).written, ['infer']);
});

test('a graph whose bytes are not those that were written is written anew, and named', async (t) => {
  const folder = specFolder(temporaryFolder(t));
  const graph = await openGraph(folder);
  const { file } = await ensureArtifact(graph, FAST);
  const good = readFileSync(file('loss-grad'));
  const flipped = good.map((byte, i) => (i === good.length >> 1 ? byte ^ 1 : byte));
  const damage: Record<string, () => void> = {
    truncated: () => truncateSync(file('loss-grad'), 500),
    'another bit': () => writeFileSync(file('loss-grad'), flipped),
  };
  for (const [what, damageIt] of Object.entries(damage)) {
    damageIt();
    const mended = await ensureArtifact(graph, FAST, ['loss-grad', 'infer']);
    t.deepEqual(mended.written, ['loss-grad'], what);
    t.deepEqual(mended.damaged, ['loss-grad'], what);
    t.deepEqual(readFileSync(file('loss-grad')), good, what);
    t.deepEqual((await ensureArtifact(graph, FAST)).written, [], what);
  }
});

test('a manifest in which a value was changed is written anew with its graphs', async (t) => {
  const folder = specFolder(temporaryFolder(t));
  const graph = await openGraph(folder);
  const { manifest } = await ensureArtifact(graph, FAST, ['infer']);
  const file = path.join(folder, 'manifest.json');
  const content = readFileSync(file, 'utf8');
  writeFileSync(file, content.replace('"weightDecay": 1', '"weightDecay": 0'));
  t.notDeepEqual(manifestIn(folder), JSON.parse(JSON.stringify(manifest)));
  t.deepEqual((await ensureArtifact(graph, FAST, ['infer'])).written, ['infer']);
  t.is(readFileSync(file, 'utf8'), content);
});
