import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import { lockRun } from '../../src/storage/run-lock.node.ts';
import { running } from '../_node.ts';
import { temporaryFolder } from './_records.ts';

function newRun(t: ExecutionContext): { folder: string; file: string } {
  const folder = join(temporaryFolder(t), 'run');
  mkdirSync(folder);
  return { folder, file: join(folder, 'run.lock') };
}

/** What a lock of this process says. */
async function ownLock(t: ExecutionContext): Promise<Record<string, unknown>> {
  const { folder, file } = newRun(t);
  const lock = await lockRun(folder);
  const content = JSON.parse(readFileSync(file, 'utf8'));
  await lock.release();
  return content;
}

async function lockBy(t: ExecutionContext, changes: object, silentSeconds = 0): Promise<string> {
  const { folder, file } = newRun(t);
  writeFileSync(file, JSON.stringify({ ...(await ownLock(t)), ...changes }));
  const then = Date.now() / 1000 - silentSeconds;
  utimesSync(file, then, then);
  return folder;
}

test('a second lock is refused with the number of the process that has the first, until that is released', async (t) => {
  const { folder, file } = newRun(t);
  const first = await lockRun(folder);
  const error = await t.throwsAsync(lockRun(folder), { instanceOf: UserError });
  t.regex(
    error.message,
    new RegExp(`^${folder}: process ${process.pid} has been training this run since \\S+; let it end, or`),
  );
  await first.check();
  await first.release();
  t.false(existsSync(file));
  await (await lockRun(folder)).release();
});

test('the lock of a process that was killed is taken over, that of one that lives is not', async (t) => {
  const { folder } = newRun(t);
  const child = spawn(process.execPath, running('test/storage/_lock-forever.ts', folder));
  await once(child.stdout, 'data');
  await t.throwsAsync(lockRun(folder), {
    instanceOf: UserError,
    message: new RegExp(`process ${child.pid} `),
  });
  child.kill('SIGKILL');
  await once(child, 'close');
  const lock = await lockRun(folder);
  await lock.check();
  await lock.release();
});

test('a lock is waited for', async (t) => {
  const { folder } = newRun(t);
  const first = await lockRun(folder);
  const waiting = lockRun(folder, { waitMs: 60_000 });
  await setTimeout(150);
  await first.release();
  await (await waiting).release();
  t.pass();
});

const ABANDONED: Readonly<Record<string, [changes: object, silentSeconds?: number]>> = {
  'a process whose number another one has now': [{ started: '1' }],
  'a process of before the machine was started anew': [{ boot: 'another', pid: 1 }],
  'a process on another machine that has been silent for long': [
    { host: 'elsewhere', boot: 'another' },
    3600,
  ],
  'a process in another container that has been silent for long': [{ container: 'pid:[1]' }, 3600],
};
for (const [what, [changes, silentSeconds]] of Object.entries(ABANDONED)) {
  test(`taken over: the lock of ${what}`, async (t) => {
    const folder = await lockBy(t, changes, silentSeconds);
    const lock = await lockRun(folder);
    await lock.check();
    t.deepEqual(readdirSync(folder), ['run.lock']);
    await lock.release();
  });
}

const ELSEWHERE: Readonly<Record<string, object>> = {
  'on another machine': { host: 'elsewhere', boot: 'another', pid: 77 },
  'in another container': { container: 'pid:[1]', pid: 77 },
};
for (const [where, changes] of Object.entries(ELSEWHERE)) {
  test(`not taken over: the lock of a process ${where} that gave a sign of life`, async (t) => {
    const folder = await lockBy(t, changes, 20);
    const { message } = await t.throwsAsync(lockRun(folder), { instanceOf: UserError });
    const host = 'host' in changes ? 'elsewhere' : hostname();
    t.regex(message, new RegExp(`^${folder}: process 77 on ${host} has been training this run since`));
    t.regex(
      message,
      new RegExp(`gave a sign of life 2\\d s ago; let it end, or delete ${folder}/run.lock if it is gone$`),
    );
  });
}

test('a lock that is being written is respected, one that was left half-written is not', async (t) => {
  const { folder, file } = newRun(t);
  writeFileSync(file, '');
  await t.throwsAsync(lockRun(folder), {
    instanceOf: UserError,
    message: /another process is about to train/,
  });
  utimesSync(file, 0, 0);
  await (await lockRun(folder)).release();
  t.pass();
});

test('of several that find an abandoned lock one gets it', async (t) => {
  for (let round = 0; round < 20; round++) {
    const folder = await lockBy(t, { started: '1' });
    const tries = await Promise.allSettled(Array.from({ length: 6 }, () => lockRun(folder)));
    const got = tries.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    t.is(got.length, 1);
    await got[0]?.check();
    await got[0]?.release();
  }
});

test('a check says that the folder is gone, or that another process has the run', async (t) => {
  const { folder, file } = newRun(t);
  const lock = await lockRun(folder);
  writeFileSync(file, JSON.stringify({ ...(await ownLock(t)), pid: 77, host: 'elsewhere' }));
  await t.throwsAsync(lock.check(), {
    instanceOf: UserError,
    message: `${folder}: process 77 on elsewhere has taken the run over; this one stops`,
  });
  await lock.release();
  t.true(existsSync(file), "another's lock stays");
  for (const gone of [file, folder]) {
    rmSync(gone, { recursive: true });
    await t.throwsAsync(lock.check(), {
      instanceOf: UserError,
      message: `${gone} was removed or moved during the run; the run stops, nothing more is written`,
    });
  }
  t.false(existsSync(folder));
});

test('a folder that is not there is one line', async (t) => {
  const folder = join(temporaryFolder(t), 'nowhere');
  await t.throwsAsync(lockRun(folder), {
    instanceOf: UserError,
    message: `${folder}: no such folder; expected that of a run`,
  });
});
