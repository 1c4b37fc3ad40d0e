/**
 * One process at a time trains in a run's folder. The file `run.lock` in it names that process. A lock outlives a process
 * that was killed, so a process that finds a lock checks whether its owner still runs. The owner's process id is not
 * enough for that: the system gives ids again, after a restart of the machine at the latest, and another container has
 * ids of its own. So the lock also says when the process started, which start of the machine it belongs to, and in which
 * container it runs. A process on another machine that shares the folder cannot be checked like this. For that case the
 * owner touches the lock regularly, as a sign of life.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as v from 'valibot';
import { UserError } from '../errors.ts';
import { jsonText } from '../json-text.ts';
import { fileError } from '../system-error.ts';

/** In a run's folder, while it is being trained. */
export const LOCK_FILE = 'run.lock';

const POLL_MS = 50;
const SIGN_OF_LIFE_MS = 10_000;
/** A step blocks the thread that gives signs of life; this is more than any step takes. */
const SILENT_MS = 5 * 60_000;
/** A lock without content is being written; after this time its process is taken to be gone. */
const WRITING_MS = 5_000;

const Holder = v.object({
  id: v.string(),
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  host: v.string(),
  /** When the lock was taken, for people. */
  since: v.string(),
  /** If the system tells them: this start of the machine, this container, and when the process began. */
  boot: v.optional(v.string()),
  container: v.optional(v.string()),
  started: v.optional(v.string()),
});
type Holder = Readonly<v.InferOutput<typeof Holder>>;

interface FoundLock {
  /** Undefined if the file is not a lock, or is still being written. */
  readonly holder: Holder | undefined;
  /** Since its last sign of life. */
  readonly silentMs: number;
}

export interface RunLock {
  /** Throws a UserError if the lock was removed, or another process has taken it. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Locks the run in `folder` until `release`. Waits up to `waitMs` for another process to release it. A lock whose process
 * is gone is taken over. Throws a UserError if another process holds the lock, and if the lock cannot be written.
 */
export async function lockRun(
  folder: string,
  { waitMs = 0 }: { readonly waitMs?: number } = {},
): Promise<RunLock> {
  const file = join(folder, LOCK_FILE);
  const own = await ownHolder();
  for (const end = performance.now() + waitMs; !(await create(file, own)); await setTimeout(POLL_MS)) {
    const found = await findLock(file);
    if (found === undefined) continue;
    if (await isAbandoned(found, own)) await takeAway(file, found);
    else if (performance.now() >= end) throw new UserError(`${folder}: ${heldBy(found, own, file)}`);
  }
  return heldLock(folder, file, own);
}

function heldLock(folder: string, file: string, own: Holder): RunLock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => {}); // `check` says what is wrong
  }, SIGN_OF_LIFE_MS).unref();
  return {
    async check() {
      const found = await findLock(file);
      if (found?.holder?.id === own.id) return;
      throw new UserError(
        found?.holder
          ? `${folder}: process ${found.holder.pid} on ${found.holder.host} has taken the run over; this one stops`
          : `${existsSync(folder) ? file : folder} was removed or moved during the run; the run stops, nothing more is written`,
      );
    },
    async release() {
      clearInterval(beat);
      if ((await findLock(file))?.holder?.id === own.id) await rm(file, { force: true });
    },
  };
}

/** Whether this process got the lock; false if there is one already. */
async function create(file: string, own: Holder): Promise<boolean> {
  try {
    await writeFile(file, jsonText(own), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    if (!existsSync(dirname(file))) {
      throw new UserError(`${dirname(file)}: no such folder; expected that of a run`);
    }
    throw fileError(error, file);
  }
}

/** Undefined if there is no lock. */
async function findLock(file: string): Promise<FoundLock | undefined> {
  try {
    const { mtimeMs } = await stat(file);
    const text = await readFile(file, 'utf8');
    return { holder: holderIn(text), silentMs: Date.now() - mtimeMs };
  } catch {
    return undefined;
  }
}

function holderIn(text: string): Holder | undefined {
  try {
    const result = v.safeParse(Holder, JSON.parse(text));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}

async function isAbandoned({ holder, silentMs }: FoundLock, own: Holder): Promise<boolean> {
  if (holder === undefined) return silentMs > WRITING_MS;
  const { host, boot, container } = holder;
  if (host === own.host && boot !== own.boot) return true; // the machine has restarted since
  if (host === own.host && container === own.container) return !(await isRunning(holder));
  return silentMs > SILENT_MS;
}

async function isRunning({ pid, started }: Holder): Promise<boolean> {
  const now = await startOf(pid);
  if (now !== undefined && started !== undefined) return now === started;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process runs, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Removes an abandoned lock. Two processes may find the same one: the slower must not remove the lock that the faster has
 * just made, so it renames the lock first, looks whether it is the abandoned one, and puts any other lock back.
 */
async function takeAway(file: string, { holder }: FoundLock): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return; // another process was faster; if it is something else, the caller's next attempt fails and says what
  }
  const taken = await findLock(aside);
  if (taken?.holder?.id === holder?.id) await rm(aside, { force: true });
  else await rename(aside, file);
}

function heldBy({ holder, silentMs }: FoundLock, own: Holder, file: string): string {
  if (holder === undefined) return 'another process is about to train in it; let it end';
  const { pid, host, since } = holder;
  const isNear = host === own.host && holder.container === own.container;
  return isNear
    ? `process ${pid} has been training this run since ${since}; let it end, or stop it with Ctrl-C, which saves`
    : `process ${pid} on ${host} has been training this run since ${since}, and gave a sign of life ${Math.round(silentMs / 1000)} s ago; let it end, or delete ${file} if it is gone`;
}

async function ownHolder(): Promise<Holder> {
  const [boot, container, started] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined),
    readlink('/proc/self/ns/pid').catch(() => undefined),
    startOf(process.pid),
  ]);
  return {
    id: randomUUID(),
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
    ...(boot !== undefined && { boot: boot.trim() }),
    ...(container !== undefined && { container }),
    ...(started !== undefined && { started }),
  };
}

/** When a process began, in the machine's clock ticks; undefined if the system does not tell. Linux does (proc(5)). */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // Begins behind the program's name, which may hold blanks and brackets. The first field here is the file's third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state = '', started] = [fields[0], fields[22 - 3]];
  return ['Z', 'X'].includes(state) ? 'ended' : started;
}
