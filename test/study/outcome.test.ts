import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readOutcome, writeOutcome } from '../../src/study/outcome.node.ts';

const ended = { state: 'done', message: null, warmupSteps: 3, totalSteps: 24 } as const;

test('an outcome is read as it was written, and an old one, whose examples are images', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'outcome-'));
  t.is(await readOutcome(folder), undefined);
  await writeOutcome(folder, { ...ended, trainExamples: 64 });
  t.deepEqual(await readOutcome(folder), { ...ended, trainExamples: 64 });
  await writeFile(join(folder, 'outcome.json'), JSON.stringify({ ...ended, trainImages: 48 }));
  t.deepEqual(await readOutcome(folder), { ...ended, trainExamples: 48 });
});

test('a broken outcome names its file, the field and what to do', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'outcome-'));
  await writeFile(join(folder, 'outcome.json'), JSON.stringify(ended));
  await t.throwsAsync(readOutcome(folder), {
    message: /outcome\.json: trainExamples: .*; delete the file to run the cell again$/,
  });
});
