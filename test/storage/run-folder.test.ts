import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { createRunFolder, emptyRunFolder, makeFolder } from '../../src/storage/run-folder.node.ts';

const scratch = mkdtempSync(join(tmpdir(), 'ortgrad-out-'));
test.after.always(() => rmSync(scratch, { recursive: true }));

test('a run folder is created with those above it, and may be there if it is empty', async (t) => {
  const folder = join(scratch, 'a', 'b');
  await createRunFolder(folder);
  await t.notThrowsAsync(createRunFolder(folder));
  writeFileSync(join(folder, 'config.json'), '{}');
  await t.throwsAsync(createRunFolder(folder), {
    instanceOf: UserError,
    message: `${folder}: the folder is not empty; take another one, or resume the run in it: --resume ${folder}`,
  });
});

test('a folder that only a lock is in is that of a new run, and emptying a folder leaves the lock', async (t) => {
  const folder = join(scratch, 'locked');
  mkdirSync(join(folder, 'tensorboard'), { recursive: true });
  writeFileSync(join(folder, 'run.lock'), '{}');
  await t.throwsAsync(createRunFolder(folder), { instanceOf: UserError });
  await emptyRunFolder(folder);
  t.deepEqual(readdirSync(folder), ['run.lock']);
  await t.notThrowsAsync(createRunFolder(folder));
});

test('a file in the path of a run folder is one line that names it', async (t) => {
  writeFileSync(join(scratch, 'file'), '');
  const path = join(scratch, 'file', 'run');
  const error = await t.throwsAsync(createRunFolder(path), { instanceOf: UserError });
  t.is(error.message, `${join(scratch, 'file')}: it is a file, expected a folder; take another path`);
});

test('a folder is made in one that is there only, and may be there', async (t) => {
  const gone = join(scratch, 'gone');
  await t.throwsAsync(makeFolder(join(gone, 'checkpoints')), {
    instanceOf: UserError,
    message: `${join(gone, 'checkpoints')}: no such file or folder; check the path`,
  });
  t.false(existsSync(gone));
  await makeFolder(gone);
  await makeFolder(gone);
  t.true(existsSync(gone));
});
