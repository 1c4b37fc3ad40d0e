import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import { openDiagnosticsLog, readDiagnostics } from '../../src/storage/diagnostics-log.node.ts';
import { hessianRecord, stepRecord } from '../run/diagnostics/_records.ts';
import { temporaryFolder } from './_records.ts';

const newPath = (t: ExecutionContext) => join(temporaryFolder(t), 'diagnostics.jsonl');

function writeRun(path: string, from = 10, at: { resumeAtStep?: number } = {}): void {
  const log = openDiagnosticsLog(path, at);
  for (let step = from; step <= 100; step += 10) {
    log.write(stepRecord(step));
    if (step % 50 === 0) log.write(hessianRecord(step));
  }
  log.close();
}

test('what is written is read back, a number that is not finite as null', (t) => {
  const path = newPath(t);
  const log = openDiagnosticsLog(path);
  log.write(stepRecord(10));
  log.write({ ...hessianRecord(10), top_eigenvalue: Number.NaN });
  log.close();
  t.deepEqual(readDiagnostics(path), [stepRecord(10), { ...hessianRecord(10), top_eigenvalue: null }]);
});

test('a file of before, which counts images, is read', (t) => {
  const path = newPath(t);
  const { examples, ...rest } = hessianRecord(10);
  writeFileSync(path, `${JSON.stringify({ ...rest, images: examples })}\n`);
  t.deepEqual(readDiagnostics(path), [hessianRecord(10)]);
});

test('a resumed log equals one that was never interrupted', (t) => {
  const [whole, resumed] = [newPath(t), newPath(t)];
  writeRun(whole);
  writeRun(resumed);
  // The checkpoint was of step 50; a crash left half a line.
  appendFileSync(resumed, '{"kind":"step","step":110,"ep');
  writeRun(resumed, 60, { resumeAtStep: 50 });
  t.is(readFileSync(resumed, 'utf8'), readFileSync(whole, 'utf8'));
});

test('a new run does not write over the diagnostics of another, and a broken line is named', (t) => {
  const path = newPath(t);
  writeRun(path);
  t.throws(() => openDiagnosticsLog(path), {
    instanceOf: UserError,
    message:
      /diagnostics\.jsonl: already holds the diagnostics of a run; resume that run or choose another folder$/,
  });
  appendFileSync(path, '{"kind":"stp","step":110}\n');
  t.throws(() => readDiagnostics(path), {
    instanceOf: UserError,
    message: /diagnostics\.jsonl: line 13: kind: .*"stp".*; delete the line$/,
  });
});
