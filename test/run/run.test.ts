import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { configText } from '../../src/config/config.ts';
import { UserError } from '../../src/errors.ts';
import {
  loadCheckpoint,
  openGraph,
  openModel,
  parseConfig,
  prepareRun,
  type RunObserver,
  trainRun,
} from '../../src/node.ts';
import { command, start, workspace } from '../cli/_program.ts';

const space = workspace();
test.after.always(() => rmSync(space.folder, { recursive: true, force: true }));
const out = (name: string) => path.join(space.folder, name);

const config = parseConfig(
  {
    graph: space.graph,
    data: space.data,
    batchSize: 16,
    epochs: 2,
    warmupEpochs: 0,
    threads: 1,
    gr: 'none',
    checkpointEvery: 1,
  },
  'test',
);
function observer(changes: Partial<RunObserver> = {}): RunObserver {
  return { note() {}, started() {}, step() {}, evaluated() {}, shouldStop: () => false, ...changes };
}

test.serial(
  'a new run creates its folder, writes its config and leaves no lock; it can be resumed',
  async (t) => {
    const folder = out('deep/inside/run');
    const prepared = await prepareRun(config);
    let locked = false;
    const { step } = await trainRun(
      folder,
      prepared,
      observer({ step: () => (locked = existsSync(path.join(folder, 'run.lock'))), shouldStop: () => true }),
    );
    t.is(step, 1);
    t.true(locked);
    t.false(existsSync(path.join(folder, 'run.lock')));
    t.deepEqual(
      JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8')),
      JSON.parse(configText(prepared.config)),
    );
    const checkpoint = await loadCheckpoint(folder);
    const saved = parseConfig(checkpoint.config, 'test');
    const whole = await trainRun(
      folder,
      { config: saved, graph: await openGraph(saved.graph) },
      observer(),
      checkpoint,
    );
    t.is(whole.step, 8);
  },
);

test.serial('a folder with something in it, and one that cannot be made, are one line each', async (t) => {
  const prepared = await prepareRun(config);
  mkdirSync(out('taken'));
  writeFileSync(path.join(out('taken'), 'notes.txt'), 'mine');
  await t.throwsAsync(trainRun(out('taken'), prepared, observer()), {
    instanceOf: UserError,
    message: /taken: the folder is not empty; take another one/,
  });
  t.false(existsSync(path.join(out('taken'), 'run.lock')));
  const below = path.join(out('taken'), 'notes.txt', 'run');
  await t.throwsAsync(trainRun(below, prepared, observer()), {
    instanceOf: UserError,
    message: /notes\.txt: it is a file, expected a folder; take another path$/,
  });
});

for (const [what, remove] of Object.entries({
  removed(folder: string) {
    // A save may be going on, whose files come and go under the one that removes.
    while (existsSync(folder)) {
      try {
        rmSync(folder, { recursive: true, force: true });
      } catch {}
    }
  },
  moved: (folder: string) => renameSync(folder, `${folder}-elsewhere`),
})) {
  test.serial(`a run whose folder is ${what} stops with one line and does not make it again`, async (t) => {
    const folder = out(what);
    const prepared = await prepareRun({ ...config, epochs: 1000 });
    let steps = 0;
    const error = await t.throwsAsync(
      trainRun(
        folder,
        prepared,
        observer({
          step() {
            steps++;
            if (steps === 5) remove(folder);
          },
        }),
      ),
      { instanceOf: UserError },
    );
    t.regex(error.message, /removed/);
    t.true(steps < 100, `${steps} steps`);
    t.false(existsSync(folder));
  });
}

test.serial('of two that go on with one run, the second is told which process has it', async (t) => {
  const flags = [...space.flags, '--gr', 'none', '--warmup-epochs', '0'];
  const short = await command(
    'train',
    ...flags,
    '--epochs',
    '100000',
    '--max-steps',
    '4',
    '--out',
    out('twice'),
  );
  t.is(short.code, 0, short.stderr);
  const first = start('train', ['--resume', out('twice'), '--max-steps', '0']);
  while (!existsSync(path.join(out('twice'), 'run.lock'))) await sleep(20);
  const second = await command('train', '--resume', out('twice'), '--max-steps', '0');
  t.is(second.code, 1);
  t.regex(
    second.stderr,
    new RegExp(
      `^error: .*twice: process ${first.child.pid} has been training this run since \\S+; let it end.*\\n$`,
    ),
  );
  first.child.kill('SIGKILL');
  await first.done;
  const third = await command('train', '--resume', out('twice'), '--max-steps', '6');
  t.is(third.code, 0, third.stderr);
});

test.serial('an option that a checkpoint of before digests has wrong is named with its file', async (t) => {
  const folder = out('edited');
  await trainRun(folder, await prepareRun(config), { shouldStop: () => true });
  const file = path.join(folder, 'checkpoints', 'step-000001', 'checkpoint.json');
  const { digest: _, ...document } = JSON.parse(readFileSync(file, 'utf8'));
  const edited = { ...document, config: { ...document.config, learningRate: 'fast' } };
  writeFileSync(file, JSON.stringify(edited));
  await t.throwsAsync(openModel(folder), {
    instanceOf: UserError,
    message: new RegExp(`^${file}: config: .*learningRate.*"fast"`),
  });
  const { code, stderr } = await command('train', '--resume', folder);
  t.is(code, 1);
  t.true(stderr.startsWith(`error: ${file}: `), stderr);
});
