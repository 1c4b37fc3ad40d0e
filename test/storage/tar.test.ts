import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { UserError } from '../../src/errors.ts';
import { type NamedFile, tar, untar } from '../../src/storage/tar.ts';
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
    damaged: [damaged, /^run\.tar: byte 512: it is damaged; take another copy$/],
  };
  for (const [what, [content, message]] of Object.entries(wrong)) {
    t.throws(() => untar(content, 'run.tar'), { instanceOf: UserError, message }, what);
  }
});

/** The archive with a field of its second header changed, and the header's sum put right. */
function forged(field: 'name' | 'size', value: Uint8Array | string): Uint8Array {
  const bytes = archive();
  const block = bytes.subarray(512, 1024);
  const content = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  block.fill(0, ...(field === 'name' ? [0, 100] : [124, 136]));
  block.set(content, field === 'name' ? 0 : 124);
  mendSum(block);
  return bytes;
}

const HOSTILE: Readonly<Record<string, [Uint8Array, RegExp]>> = {
  'a negative size': [
    forged('size', '-0000002000'),
    /^run\.tar: byte 512: the size of a file is not an octal number/,
  ],
  'a size of -1024, which leads back to the header': [
    forged('size', '-2000'),
    /size of a file is not an octal number/,
  ],
  'a binary size': [
    forged('size', Uint8Array.of(0x80, ...new Uint8Array(10), 8)),
    /byte 512: .*, or over 8 GB;/,
  ],
  'a size past the end': [forged('size', '77777777777'), /^run\.tar: it ends too early/],
  'no size': [forged('size', ''), /size of a file is not an octal number/],
  'a size with other digits': [forged('size', '1e9'), /size of a file is not an octal number/],
  'a path twice': [
    forged('name', 'run/empty.jsonl'),
    /byte 512: the path "run\/empty\.jsonl" occurs a second time/,
  ],
  'a path upwards': [
    forged('name', 'run/../../x'),
    /byte 512: the path "run\/\.\.\/\.\.\/x" leads out of the archive/,
  ],
  'a path from the root': [forged('name', '/etc/passwd'), /"\/etc\/passwd" leads out of the archive/],
};

for (const [what, [content, message]] of Object.entries(HOSTILE)) {
  test(`one line says what is wrong with ${what}`, (t) => {
    const error = t.throws(() => untar(content, 'run.tar'), { instanceOf: UserError, message });
    t.false(error.message.includes('\n'));
  });
}

test('any change to an archive gives files within it or one line, in time proportional to it', (t) => {
  const good = archive();
  const edit = fc.record({
    at: fc.oneof(fc.constantFrom(124, 512 + 124, 512 + 148, 512 + 156), fc.nat(good.length - 1)),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  });
  fc.assert(
    fc.property(
      fc.array(edit, { maxLength: 4 }),
      fc.nat(good.length),
      fc.boolean(),
      (edits, end, mendsSums) => {
        const bytes = good.slice();
        for (const { at, bytes: changed } of edits) bytes.set(changed.subarray(0, bytes.length - at), at);
        if (mendsSums) mendSums(bytes);
        const cut = bytes.subarray(0, end);
        try {
          const files = untar(cut, 'run.tar');
          t.true(files.reduce((sum, file) => sum + file.bytes.length, 0) <= cut.length);
          t.true(files.every((file) => file.bytes.buffer === cut.buffer));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          t.regex(error.message, /^run\.tar: [^\n]*$/);
        }
      },
    ),
    { numRuns: 3000, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true },
  );
});

/** Lets every block that may be a header have its right sum, so that changes get past that check. */
function mendSums(bytes: Uint8Array): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (block.some((byte) => byte !== 0)) mendSum(block);
  }
}

function mendSum(block: Uint8Array): void {
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
}
