import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { UserError } from '../../src/errors.ts';
import {
  loadCheckpoint,
  loadModel,
  runFolderOf,
  saveCheckpoint,
  writeFileSynced,
} from '../../src/storage/checkpoint-folder.node.ts';
import { running } from '../_node.ts';
import { bestAt, checkpointAt } from './_checkpoint.ts';

const scratch = mkdtempSync(join(tmpdir(), 'ortgrad-checkpoints-'));
test.after.always(() => rmSync(scratch, { recursive: true }));

const newRun = () => mkdtempSync(join(scratch, 'run-'));
const saved = (run: string) => readdirSync(join(run, 'checkpoints')).sort();
const stepAt = async (path: string) => (await loadCheckpoint(path)).step;

/** Saves after each of `steps`; those in `best` are the best so far. */
async function saveAll(
  run: string,
  steps: number[],
  { keep = 2, best = [] as number[] } = {},
): Promise<void> {
  let last = null;
  for (const step of steps) {
    if (best.includes(step)) last = bestAt(step, step);
    await saveCheckpoint(run, checkpointAt(step, last), { keep });
  }
}

test('a saved checkpoint is loaded by the run, by last and by its own folder', async (t) => {
  const run = newRun();
  await saveAll(run, [10, 20]);
  for (const path of [run, join(run, 'last'), join(run, 'checkpoints', 'step-000020')]) {
    t.deepEqual(await loadCheckpoint(path), checkpointAt(20));
  }
  t.is(readlinkSync(join(run, 'last')), join('checkpoints', 'step-000020'));
  const { optimizer, ...model } = checkpointAt(20);
  t.deepEqual(await loadModel(run), model);
});

test('every path of a checkpoint leads to its run', (t) => {
  for (const path of ['', 'last', 'best', 'checkpoints/step-000020', 'last/']) {
    t.is(runFolderOf(join('runs', 'a', path)), join('runs', 'a'), path);
  }
});

test('the newest are kept, and the best', async (t) => {
  const run = newRun();
  await saveAll(run, [1, 2, 3, 4, 5, 6], { keep: 2, best: [1, 3] });
  t.deepEqual(saved(run), ['step-000003', 'step-000005', 'step-000006']);
  t.is(await stepAt(join(run, 'best')), 3);
  t.is(await stepAt(join(run, 'last')), 6);
  await saveAll(run, [7], { keep: 1, best: [7] });
  t.deepEqual(saved(run), ['step-000007']);
  t.is(await stepAt(join(run, 'best')), 7);
});

test('a step whose numbers are not finite leaves the one before it, best and last', async (t) => {
  const run = newRun();
  await saveAll(run, [1], { keep: 1, best: [1] });
  const broken = checkpointAt(2, bestAt(2, 2));
  const parameters = broken.parameters.map((each) => ({
    ...each,
    data: new Float32Array(8).fill(Number.NaN),
  }));
  await t.throwsAsync(saveCheckpoint(run, { ...broken, parameters }, { keep: 1 }), {
    instanceOf: UserError,
    message: /^step 2 is not saved: parameter block0\/kernel is not finite; /,
  });
  t.deepEqual(saved(run), ['step-000001']);
  for (const path of [run, join(run, 'last'), join(run, 'best')]) t.is(await stepAt(path), 1);
});

test('saving a step again replaces it', async (t) => {
  const run = newRun();
  await saveAll(run, [1, 2, 2], { best: [2] });
  t.deepEqual(saved(run), ['step-000001', 'step-000002.1']);
  t.is(await stepAt(join(run, 'best')), 2);
  await saveAll(run, [1]);
  t.is(await stepAt(run), 1, 'a run resumed from an older checkpoint goes on from there');
});

test('a run that was moved, or whose links were lost or followed, still loads', async (t) => {
  const run = newRun();
  await saveAll(run, [1, 2, 3], { best: [2] });
  const moved = `${run}-moved`;
  renameSync(run, moved);
  t.is(await stepAt(join(moved, 'best')), 2);

  const followed = `${run}-followed`;
  cpSync(moved, followed, { recursive: true, dereference: true });
  await saveAll(followed, [4]);
  t.is(await stepAt(followed), 4);

  rmSync(join(moved, 'last'));
  rmSync(join(moved, 'best'));
  t.is(await stepAt(moved), 3);
  t.is(await stepAt(join(moved, 'last')), 3);
  t.is(await stepAt(join(moved, 'best')), 2);
  symlinkSync('checkpoints/step-000009', join(moved, 'last'));
  t.is(await stepAt(moved), 3, 'a link to what is not there');
});

test('what an interrupted save left behind is removed by the next', async (t) => {
  const run = newRun();
  await saveAll(run, [1]);
  mkdirSync(join(run, 'checkpoints', '.tmp-abc'));
  writeFileSync(join(run, 'checkpoints', '.tmp-abc', 'model.safetensors'), 'half');
  symlinkSync('checkpoints/step-000009', join(run, '.tmp-def'));
  t.is(await stepAt(run), 1);
  await saveAll(run, [2]);
  t.deepEqual(saved(run), ['step-000001', 'step-000002']);
  t.deepEqual(readdirSync(run).sort(), ['checkpoints', 'last']);
});

for (const failing of ['model.safetensors', 'optimizer.safetensors', 'checkpoint.json']) {
  test(`a disk that is full at ${failing} leaves the previous checkpoint and nothing else`, async (t) => {
    const run = newRun();
    await saveAll(run, [1]);
    const write: typeof writeFileSynced = async (path, pieces) => {
      if (!path.endsWith(failing)) return writeFileSynced(path, pieces);
      await writeFileSynced(path, [new Uint8Array(3)]);
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const error = await t.throwsAsync(saveCheckpoint(run, checkpointAt(2), { keep: 1, write }), {
      instanceOf: UserError,
    });
    t.is(
      error.message,
      `cannot save ${join(run, 'checkpoints', 'step-000002')}: the disk is full; free some space or take a path ` +
        `on another disk; earlier checkpoints are intact; resume from them with: --resume ${run}`,
    );
    t.deepEqual(saved(run), ['step-000001']);
    t.is(await stepAt(run), 1);
    await saveAll(run, [3]);
    t.is(await stepAt(run), 3);
  });
}

const BROKEN: Record<string, [breakIt: (folder: string) => void, file: string, message: string]> = {
  'a truncated file': [
    (folder) => truncateSync(join(folder, 'optimizer.safetensors'), 100),
    'optimizer.safetensors',
    'expected 464 bytes, got 100: it is truncated; take another checkpoint of the run, from its folder checkpoints',
  ],
  'a file with more in it': [
    (folder) => appendFileSync(join(folder, 'model.safetensors'), 'x'),
    'model.safetensors',
    'expected 260 bytes, got 261: it belongs to another checkpoint; ' +
      'take another checkpoint of the run, from its folder checkpoints',
  ],
  'a changed bit': [
    (folder) => {
      const bytes = readFileSync(join(folder, 'model.safetensors'));
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      writeFileSync(join(folder, 'model.safetensors'), bytes);
    },
    'model.safetensors',
    'its bytes are not those that were saved (SHA-256 differs); ' +
      'take another checkpoint of the run, from its folder checkpoints',
  ],
  'a missing file': [
    (folder) => rmSync(join(folder, 'optimizer.safetensors')),
    'optimizer.safetensors',
    'no such file or folder; check the path',
  ],
  'a document that is no JSON': [
    (folder) => writeFileSync(join(folder, 'checkpoint.json'), '{\n"version": 1,\n}'),
    'checkpoint.json:3',
    'not valid JSON: Expected double-quoted property name in JSON at position 16',
  ],
  'a document of something else': [
    (folder) => writeFileSync(join(folder, 'checkpoint.json'), '[1]'),
    'checkpoint.json',
    'version: missing; this is not a checkpoint',
  ],
};

for (const [name, [breakIt, file, message]] of Object.entries(BROKEN)) {
  test(`not loaded: ${name}`, async (t) => {
    const run = newRun();
    await saveAll(run, [1]);
    const folder = join(run, 'checkpoints', 'step-000001');
    breakIt(folder);
    const error = await t.throwsAsync(loadCheckpoint(folder), { instanceOf: UserError });
    t.true(error.message.startsWith(`${join(folder, file)}: ${message}`), error.message);
    t.false(error.message.includes('\n'));
  });
}

test('a path without a checkpoint is named', async (t) => {
  const run = newRun();
  const message = (path: string) => t.throwsAsync(loadCheckpoint(path), { instanceOf: UserError });
  t.is(
    (await message(join(run, 'nowhere'))).message,
    `${join(run, 'nowhere')}: no such folder; expected a run or a checkpoint`,
  );
  t.is(
    (await message(run)).message,
    `${run}: no checkpoint in it; expected checkpoint.json, or the folder of a run that has saved at least once`,
  );
  await saveAll(run, [1]);
  t.is(
    (await message(join(run, 'best'))).message,
    `${join(run, 'best')}: the run has no best checkpoint; take ${join(run, 'last')}`,
  );
});

test('kill -9 at any moment leaves every checkpoint that was saved readable', async (t) => {
  const run = newRun();
  let safe = 0;
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, running('test/storage/_save-forever.ts', run, String(safe)), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.setEncoding('utf8');
    let output = '';
    child.stdout.on('data', (text: string) => {
      // From the first save on, some random moment in one of the next saves.
      if (output === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 60);
      output += text;
    });
    const [code, signal] = await once(child, 'close');
    t.is(signal, 'SIGKILL', `ended by itself with ${code}`);
    safe = Number(output.trimEnd().split('\n').at(-1));
    const last = await loadCheckpoint(run);
    t.true(last.step >= safe, `step ${safe} was safe, step ${last.step} is there`);
    t.deepEqual(last.parameters, checkpointAt(last.step, null, 1 << 16).parameters);
    t.is((await loadCheckpoint(join(run, 'best'))).step % 3, 1);
    for (const name of saved(run).filter((each) => each.startsWith('step-'))) {
      t.is(await stepAt(join(run, 'checkpoints', name)), Number.parseInt(name.slice(5), 10));
    }
    safe = last.step;
  }
  t.true(existsSync(join(run, 'last')));
});

test('a run whose folder is not there is one line, and is not made again', async (t) => {
  const run = join(scratch, 'never-there');
  const { message } = await t.throwsAsync(saveCheckpoint(run, checkpointAt(1), { keep: 1 }), {
    instanceOf: UserError,
  });
  t.is(
    message,
    `cannot save ${join(run, 'checkpoints', 'step-000001')}: the folder of the run was removed or moved, and is not made again`,
  );
  t.false(existsSync(run));
});
