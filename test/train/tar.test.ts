import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { type NamedFile, tar, untar } from '../../src/train/tar.ts';
import { temporaryFolder } from './_records.ts';

const FILES: readonly NamedFile[] = [
  { path: 'run/empty.jsonl', bytes: new Uint8Array() },
  { path: 'run/checkpoints/step-000012/block.bin', bytes: new Uint8Array(512).fill(7) },
  { path: 'run/checkpoints/step-000012/odd.bin', bytes: Uint8Array.from({ length: 1025 }, (_, i) => i) },
];
const archive = (): Uint8Array => new Uint8Array(Buffer.concat(tar(FILES, new Date('2026-01-31T12:00:00Z'))));
const plain = (files: readonly NamedFile[]) =>
  files
    .map((file) => ({ path: file.path, bytes: [...file.bytes] }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));

test('files survive being put into an archive and taken out', (t) => {
  t.deepEqual(untar(archive(), 'run.tar'), FILES);
});

test('tar unpacks what we pack, and we read what tar packs', (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, 'run.tar'), archive());
  execFileSync('tar', ['-xf', 'run.tar'], { cwd: folder });
  for (const file of FILES)
    t.deepEqual(new Uint8Array(readFileSync(path.join(folder, file.path))), file.bytes);

  execFileSync('tar', ['-cf', 'theirs.tar', './run'], { cwd: folder });
  t.deepEqual(plain(untar(readFileSync(path.join(folder, 'theirs.tar')), 'theirs.tar')), plain(FILES));
});

test('a long path, which tar splits in two, is read whole', (t) => {
  const folder = temporaryFolder(t);
  const long = `${'a'.repeat(60)}/${'b'.repeat(60)}`;
  mkdirSync(path.join(folder, long), { recursive: true });
  writeFileSync(path.join(folder, long, 'c'), 'content');
  execFileSync('tar', ['--format=ustar', '-cf', 'long.tar', long], { cwd: folder });
  const [file] = untar(readFileSync(path.join(folder, 'long.tar')), 'long.tar');
  t.is(file?.path, `${long}/c`);
});

test('what is no archive, cut off or damaged is an error that names it', (t) => {
  const bytes = archive();
  const damaged = bytes.slice();
  damaged[512 + 3] = 1; // in the second header: the first file is empty
  const wrong: Readonly<Record<string, [Uint8Array, RegExp]>> = {
    empty: [new Uint8Array(), /^run\.tar: expected a tar archive of a run, .*, got something else$/],
    'no archive': [new Uint8Array(2048).fill(65), /^run\.tar: expected a tar archive of a run/],
    'cut in a file': [bytes.slice(0, 1100), /^run\.tar: it ends too early: .*; take another copy$/],
    'cut before its end': [bytes.slice(0, -1024), /^run\.tar: it ends too early/],
    damaged: [damaged, /^run\.tar: it is damaged at byte 512; take another copy$/],
  };
  for (const [what, [content, message]] of Object.entries(wrong)) {
    t.throws(() => untar(content, 'run.tar'), { instanceOf: UserError, message }, what);
  }
});
