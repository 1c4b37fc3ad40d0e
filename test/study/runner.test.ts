import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readStudy } from '../../src/study/results.node.ts';
import { cellFolder, runStudy, type StudyObserver } from '../../src/study/runner.node.ts';
import { program, start } from '../cli/_program.ts';
import { plannedCells, smallDesign } from './_study.ts';

const SILENT: StudyObserver = { found() {}, step() {}, over() {} };

/** What a study measured: all but speeds. */
async function measured(folder: string) {
  const { cells } = await readStudy(folder);
  return cells.map(({ id, state, message, metrics }) => ({
    id,
    state,
    message,
    metrics: metrics.map(({ examples_per_second, ...rest }) => rest),
  }));
}

test.serial('a study that is killed, interrupted and resumed gives what it gives undisturbed', async (t) => {
  const { folder, design } = smallDesign();
  const file = join(folder, 'my-study.json');
  writeFileSync(file, JSON.stringify(design));
  const whole = join(folder, 'whole');
  const undisturbed = await program('study', '--config', file, '--out', whole, '--jobs', '2');
  t.is(undisturbed.code, 0, undisturbed.stderr);
  t.regex(undisturbed.stdout, /4 cells, 2 side by side/);
  t.regex(undisturbed.stdout, /4\/4 {2}(none|fd\+zero) seed 1 +test error/);

  const broken = join(folder, 'broken');
  const began = (seed: number): boolean => existsSync(join(broken, 'study.json')) && folderOf(broken, seed);
  const killed = start('study', ['--config', file, '--out', broken, '--jobs', '1']);
  while (!began(0)) await pause(20);
  killed.child.kill('SIGKILL');
  await killed.done;

  const interrupted = start('study', ['--resume', broken, '--jobs', '1']);
  while (!began(1)) await pause(20);
  interrupted.child.kill('SIGINT');
  const { code, stdout } = await interrupted.done;
  t.is(code, 130);
  t.regex(stdout, /saved; resume with: npm run study -- --resume/);

  const resumed = await program('study', '--resume', broken);
  t.is(resumed.code, 0, resumed.stderr);
  t.deepEqual(await measured(broken), await measured(whole));
  for (const table of ['final-error.md', 'claims.csv', 'stability.tex'])
    t.is(
      readFileSync(join(broken, 'tables', table), 'utf8'),
      readFileSync(join(whole, 'tables', table), 'utf8'),
    );
  t.true((await measured(broken)).every(({ state }) => state === 'done'));
});

/** Whether the regularized cell of a seed has written a step. */
function folderOf(study: string, seed: number): boolean {
  try {
    return execFileSync('sh', ['-c', `cat '${study}'/cells/*fd-zero-s${seed}-*/metrics.jsonl`], {
      stdio: 'pipe',
    }).includes('\n');
  } catch {
    return false;
  }
}

test.serial('a cell that diverges is recorded as such, stays so, and the rest goes on', async (t) => {
  const { folder, design } = smallDesign();
  const wild = { ...design, axes: { learningRate: [0.01, 1e30], gr: ['none'], seed: [0] } };
  const cells = await plannedCells(wild);
  writeFileSync(join(folder, 'study.json'), JSON.stringify(wild));
  t.is(await runStudy(folder, cells, 1, SILENT).done, 'done');
  const { cells: results } = await readStudy(folder);
  t.deepEqual(results.map(({ state }) => state).sort(), ['diverged', 'done']);
  t.regex(results.find(({ state }) => state === 'diverged')?.message ?? '', /is not finite/);
  const again: string[] = [];
  await runStudy(folder, cells, 1, { ...SILENT, step: ({ id }) => again.push(id) }).done;
  t.deepEqual(again, []);
});

test.serial(
  'a cell whose last step breaks the model has diverged, though its losses were finite',
  async (t) => {
    const { folder, design } = smallDesign();
    const base = {
      ...('base' in design && typeof design.base === 'object' ? design.base : {}),
      batchSize: 64,
      epochs: 1,
      warmupEpochs: 0,
    };
    const wild = { ...design, base, axes: { learningRate: [1e300], gr: ['none'], seed: [0] } };
    writeFileSync(join(folder, 'study.json'), JSON.stringify(wild));
    await runStudy(folder, await plannedCells(wild), 1, SILENT).done;
    const [cell] = (await readStudy(folder)).cells;
    t.is(cell?.state, 'diverged');
    t.regex(cell?.message ?? '', /^step 1: test loss NaN is not finite; /);
    t.is(cell?.metrics.length, 1, 'the step, and no evaluation');
  },
);

test.serial(
  'a cell whose process is killed has failed, another process takes the next, and a resumed study tries it again',
  async (t) => {
    const { folder, design } = smallDesign();
    const two = { ...design, axes: { gr: ['none'], seed: [0, 1] } };
    writeFileSync(join(folder, 'study.json'), JSON.stringify(two));
    const cells = await plannedCells(two);
    let victim: string | undefined;
    const failures: string[] = [];
    await runStudy(folder, cells, 1, {
      ...SILENT,
      step({ id }) {
        if (victim === undefined) for (const pid of children()) process.kill(pid, 'SIGKILL');
        victim ??= id;
      },
      over({ id }, { state, message }) {
        if (state === 'failed') failures.push(`${id}: ${message}`);
      },
    }).done;
    t.is(failures.length, 1);
    t.regex(
      failures[0] ?? '',
      new RegExp(`^${victim}: its process was killed by SIGKILL: most likely out of memory`),
    );
    await runStudy(folder, cells, 1, SILENT).done;
    t.true((await readStudy(folder)).cells.every(({ state }) => state === 'done'));
  },
);

test.serial('a cell that cannot run says why', async (t) => {
  const { folder, data, design } = smallDesign();
  writeFileSync(join(folder, 'study.json'), JSON.stringify(design));
  const cells = await plannedCells(design);
  rmSync(join(data, 'data_batch_1.bin'));
  await runStudy(folder, cells, 2, SILENT).done;
  const { cells: results } = await readStudy(folder);
  t.true(results.every(({ state, message }) => state === 'failed' && /data_batch_1/.test(message ?? '')));
  t.true(existsSync(cellFolder(folder, results[0] ?? { id: '' })));
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The processes that train cells of this one. */
function children(): number[] {
  return execFileSync('pgrep', ['-f', '-P', String(process.pid), 'cell-process'], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
}
