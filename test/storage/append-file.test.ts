import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { openAppendFile } from '../../src/storage/append-file.node.ts';
import { temporaryFolder } from './_records.ts';

test('the first write to a file that was removed with its folder fails, and nothing is made again', (t) => {
  const folder = path.join(temporaryFolder(t), 'run');
  mkdirSync(folder);
  const name = path.join(folder, 'metrics.jsonl');
  const file = openAppendFile(name);
  file.append(Buffer.from('1\n'));
  file.flush();
  t.is(readFileSync(name, 'utf8'), '1\n');
  rmSync(folder, { recursive: true });
  file.append(Buffer.from('2\n'));
  const expected = {
    instanceOf: UserError,
    message: `${name}: the file was removed or replaced during the run; the run stops here`,
  };
  t.throws(() => file.flush(), expected);
  t.notThrows(() => file.close(), 'what is lost is said once');
  t.false(existsSync(folder));
});

test('so does one to a file in whose place another was put', (t) => {
  const folder = temporaryFolder(t);
  const name = path.join(folder, 'metrics.jsonl');
  const file = openAppendFile(name);
  const other = openAppendFile(`${name}.tmp`);
  renameSync(`${name}.tmp`, name);
  other.close();
  for (let i = 0; i < 255; i++) file.append(Buffer.from('x'));
  t.throws(() => file.append(Buffer.from('x')), {
    instanceOf: UserError,
    message: /was removed or replaced/,
  });
  file.close();
});

test('a full disk, and a file that cannot be opened, are named', (t) => {
  const full = openAppendFile('/dev/full');
  full.append(Buffer.from('x'));
  t.throws(() => full.flush(), {
    instanceOf: UserError,
    message: /^\/dev\/full: the disk is full; free some space/,
  });
  full.close();
  const nowhere = path.join(temporaryFolder(t), 'nowhere', 'file');
  t.throws(() => openAppendFile(nowhere), {
    instanceOf: UserError,
    message: `${nowhere}: no such file or folder; check the path`,
  });
});
