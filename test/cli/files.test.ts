import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createRunFolder } from '../../src/cli/files.ts';
import { UserError } from '../../src/errors.ts';

const scratch = mkdtempSync(join(tmpdir(), 'ortgrad-out-'));
test.after.always(() => rmSync(scratch, { recursive: true }));

test('a run folder is created with those above it, and may be there if it is empty', async (t) => {
  const folder = join(scratch, 'a', 'b');
  await createRunFolder(folder);
  await t.notThrowsAsync(createRunFolder(folder));
  writeFileSync(join(folder, 'config.json'), '{}');
  await t.throwsAsync(createRunFolder(folder), {
    instanceOf: UserError,
    message: `--out ${folder}: the folder is not empty; take another name, or go on with the run in it: --resume ${folder}`,
  });
});
