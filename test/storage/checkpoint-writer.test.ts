import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { loadCheckpoint } from '../../src/storage/checkpoint-folder.node.ts';
import { openCheckpointWriter } from '../../src/storage/checkpoint-writer.node.ts';
import { checkpointAt } from './_checkpoint.ts';

const scratch = mkdtempSync(join(tmpdir(), 'ortgrad-writer-'));
test.after.always(() => rmSync(scratch, { recursive: true }));
const newFolder = () => mkdtempSync(join(scratch, 'run-'));

test('saves from another thread, to which the arrays go', async (t) => {
  const run = newFolder();
  const writer = openCheckpointWriter();
  const checkpoint = checkpointAt(2);
  const saves = [writer.save(run, checkpointAt(1), { keep: 1 }), writer.save(run, checkpoint, { keep: 1 })];
  t.is(checkpoint.parameters[0]?.data.length, 0);
  await Promise.all(saves);
  await writer.close();
  t.deepEqual(await loadCheckpoint(run), checkpointAt(2));
});

test('a failure arrives as what it is, and the next save is made', async (t) => {
  const folder = newFolder();
  const writer = openCheckpointWriter();
  writeFileSync(join(folder, 'checkpoints'), 'no folder');
  const error = await t.throwsAsync(writer.save(folder, checkpointAt(1), { keep: 1 }), {
    instanceOf: UserError,
  });
  t.regex(error.message, /^cannot save .*step-000001: /);
  mkdirSync(join(folder, 'run'));
  await writer.save(join(folder, 'run'), checkpointAt(3), { keep: 1 });
  t.is((await loadCheckpoint(join(folder, 'run'))).step, 3);
  await writer.close();
  const late = writer.save(join(folder, 'run'), checkpointAt(4), { keep: 1 });
  await t.throwsAsync(late, { message: 'the thread that saves checkpoints has ended' });
});
