import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { configText } from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import type { Checkpoint } from '../../src/storage/checkpoint.ts';
import { loadCheckpoint } from '../../src/storage/checkpoint-folder.node.ts';
import { metricsLine } from '../../src/storage/metrics.ts';
import { readMetrics } from '../../src/storage/metrics-log.node.ts';
import { decodeRun, encodeRun } from '../../src/storage/run-archive.ts';
import { type NamedFile, tar, untar } from '../../src/storage/tar.ts';
import { unpackRun } from '../../src/storage/unpack-run.node.ts';
import { bestAt, checkpointAt } from './_checkpoint.ts';
import { temporaryFolder, testRecord, trainRecord } from './_records.ts';

const NOW = new Date('2026-01-31T12:00:00Z');
const metrics = [trainRecord(1), trainRecord(2), testRecord(2)].map(metricsLine);

async function packed(checkpoint: Checkpoint = checkpointAt(2)): Promise<Uint8Array> {
  return Buffer.concat(await encodeRun('digits', { checkpoint, metrics }, NOW));
}

async function files(): Promise<NamedFile[]> {
  return untar(await packed(), 'digits.tar');
}

test('a run survives being put into an archive and taken out', async (t) => {
  const checkpoint = checkpointAt(2, bestAt(0.5, 2));
  const read = await decodeRun(untar(await packed(checkpoint), 'digits.tar'), 'digits.tar');
  t.deepEqual(read, { checkpoint, metrics });
});

test('the newest of several checkpoints counts, wherever it lies, and metrics after it do not', async (t) => {
  const older = untar(
    Buffer.concat(await encodeRun('a', { checkpoint: checkpointAt(1), metrics: [] }, NOW)),
    'a',
  );
  const newer = await files();
  t.is((await decodeRun([...newer, ...older], 'run')).checkpoint.step, 2);
  t.is((await decodeRun([...older, ...newer], 'run')).checkpoint.step, 2);
  const ofOlder = [...older.filter(({ path: name }) => name.includes('checkpoints')), ...newer.slice(1, 2)];
  t.deepEqual(await decodeRun(ofOlder, 'run'), { checkpoint: checkpointAt(1), metrics: metrics.slice(0, 1) });
});

test('the three files of a checkpoint do, without their folder', async (t) => {
  const loose = (await files())
    .filter(({ path: name }) => name.includes('checkpoints'))
    .map((file) => ({ ...file, path: path.posix.basename(file.path) }));
  t.is(loose.length, 3);
  t.deepEqual(await decodeRun(loose, 'the files'), { checkpoint: checkpointAt(2), metrics: [] });
});

test('what is missing or not as it was saved is an error that names the file', async (t) => {
  const good = await files();
  const model = 'digits/checkpoints/step-000002/model.safetensors';
  const without = (part: string) => good.filter((file) => !file.path.endsWith(part));
  const changed = (part: string, change: (bytes: Uint8Array) => Uint8Array) =>
    good.map((file) => (file.path.endsWith(part) ? { ...file, bytes: change(file.bytes) } : file));
  const wrong: Readonly<Record<string, [readonly NamedFile[], RegExp]>> = {
    'no checkpoint': [
      without('checkpoint.json'),
      /^digits\.tar: no checkpoint in it; expected checkpoint\.json, model\.safetensors and optimizer\.safetensors$/,
    ],
    'no weights': [without('model.safetensors'), new RegExp(`^${model}: missing; it belongs beside`)],
    'half of the weights': [
      changed('model.safetensors', (bytes) => bytes.slice(0, 100)),
      new RegExp(`^${model}: expected \\d+ bytes, got 100; take another copy`),
    ],
    'another bit': [
      changed('model.safetensors', (bytes) =>
        bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)),
      ),
      new RegExp(`^${model}: its bytes are not those that were saved \\(SHA-256 differs\\)`),
    ],
    'a document cut in half': [
      changed('checkpoint.json', (bytes) => bytes.slice(0, 100)),
      /checkpoint\.json: not valid JSON/,
    ],
    'broken metrics': [
      changed('metrics.jsonl', () => new TextEncoder().encode('nonsense\n')),
      /^digits\/metrics\.jsonl: line 1: expected a JSON object, got `nonsense`/,
    ],
  };
  for (const [what, [content, message]] of Object.entries(wrong)) {
    await t.throwsAsync(decodeRun(content, 'digits.tar'), { instanceOf: UserError, message }, what);
  }
});

async function writeArchive(t: ExecutionContext, content: Uint8Array): Promise<string> {
  const file = path.join(temporaryFolder(t), 'digits.tar');
  writeFileSync(file, content);
  return file;
}

test('unpacked, it is a run like any other', async (t) => {
  const file = await writeArchive(t, await packed());
  const folder = await unpackRun(file);
  t.is(folder, file.replace(/\.tar$/, ''));
  t.deepEqual(await loadCheckpoint(folder), checkpointAt(2));
  t.deepEqual(readMetrics(path.join(folder, 'metrics.jsonl')), metrics);
  t.is(readFileSync(path.join(folder, 'config.json'), 'utf8'), configText(checkpointAt(2).config));

  await t.throwsAsync(unpackRun(file), {
    instanceOf: UserError,
    message: /digits exists already; resume it with --resume .*digits, or rename the archive$/,
  });
});

test('an archive that is broken, or not there, leaves no folder behind', async (t) => {
  const good = await files();
  const bad = good.map((each) => ({ ...each, bytes: each.bytes.map((byte) => byte ^ 1) }));
  const file = await writeArchive(t, Buffer.concat(tar(bad, NOW)));
  await t.throwsAsync(unpackRun(file), { instanceOf: UserError });
  t.false(existsSync(file.replace(/\.tar$/, '')));
  await t.throwsAsync(unpackRun('/no/such.tar'), { instanceOf: UserError, message: /such\.tar/ });
});
