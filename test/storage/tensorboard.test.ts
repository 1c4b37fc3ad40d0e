import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { crc32c, openTensorBoard } from '../../src/storage/tensorboard.node.ts';
import { groupRecord, hessianRecord, stepRecord } from '../run/diagnostics/_records.ts';
import { temporaryFolder, testRecord, trainRecord } from './_records.ts';

/** The bytes of the one event file in a folder. */
function eventFile(folder: string): Buffer {
  const [name = '', ...others] = readdirSync(folder);
  if (others.length > 0) throw new Error(`expected one file in ${folder}, got ${others.length + 1}`);
  return readFileSync(join(folder, name));
}

/** What is in the frames of an event file. */
function events(file: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    found.push(file.subarray(at + 12, at + 12 + length));
    at += 12 + length + 4;
  }
  return found;
}

// RFC 3720, B.4, and the check value of CRC-32C.
test('CRC-32C of the published vectors', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  t.is(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  t.is(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  t.is(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
});

// From the tensorboard package for Python (2.x), wall_time=1.5 throughout, each written with RecordWriter:
//   Event(file_version='brain.Event:2')
//   Event(step=301, session_log=SessionLog(status=SessionLog.START))
//   Event(step=301, summary=Summary(value=[Value(tag='test/' + k, simple_value=x) for k, x in
//     [('loss', .25), ('top1', .5), ('top5', 1), ('examples_per_second', 300)]]))
const GOLDEN =
  '1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c100000000000000095fbfe1809000000000000f83f10ad023a020801d17949d46500000000000000ebd05a6909000000000000f83f10ad022a570a100a09746573742f6c6f7373150000803e0a100a09746573742f746f7031150000003f0a100a09746573742f746f7035150000803f0a1f0a18746573742f6578616d706c65735f7065725f7365636f6e641500009643f8fd4fb5';

test('a resumed run writes the bytes that TensorBoard writes', (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder, { resumeAtStep: 300, now: () => 1500 });
  const { split, step, epoch, loss, metrics, examples_per_second } = testRecord(301, {
    loss: 0.25,
    metrics: { top1: 0.5, top5: 1 },
    examples_per_second: 300,
  });
  log.write({ split, step, epoch, loss, metrics, examples_per_second });
  log.close();
  t.is(eventFile(folder).toString('hex'), GOLDEN);
});

test('a training record becomes a scalar for each measurement that it has', (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder);
  log.write(trainRecord(1));
  log.close();
  const tags = eventFile(folder)
    .toString('latin1')
    .match(/train\/[a-z_0-9]+/g);
  t.deepEqual(tags, [
    'train/loss',
    'train/top1',
    'train/top5',
    'train/grad_norm',
    'train/gr_grad_norm',
    'train/lr',
    'train/lambda',
    'train/examples_per_second',
  ]);
});

test("a regression's metrics have their names for tags, and its averaged weights a split of their own", (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder);
  const metrics = { mae: 0.41, rmse: 0.62, r2: Number.NaN };
  log.write(trainRecord(1, { metrics, gr_grad_norm: null, lambda: null }));
  log.write(testRecord(1, { split: 'test_ema', metrics }));
  log.close();
  const tags = eventFile(folder)
    .toString('latin1')
    .match(/(train|test)[a-z_]*\/[a-z_0-9]+/g);
  t.deepEqual(tags, [
    ...['train/loss', 'train/mae', 'train/rmse', 'train/r2', 'train/grad_norm', 'train/lr'],
    'train/examples_per_second',
    ...['test_ema/loss', 'test_ema/mae', 'test_ema/rmse', 'test_ema/r2', 'test_ema/examples_per_second'],
  ]);
});

// As above, with SessionStartInfo and HParamsPluginData of tensorboard 2.21, serialized with deterministic=True:
//   Event(summary=Summary(value=[Value(tag='_hparams_/session_start_info', metadata=SummaryMetadata(plugin_data=
//     PluginData(plugin_name='hparams', content=HParamsPluginData(session_start_info=SessionStartInfo(
//       hparams={gr: 'exact', learningRate: .5, nesterov: False}, start_time_secs=1.5)))))]))
//   Event(step=5, summary=Summary(value=[Value(tag='hessian/top_eigenvalue', simple_value=2),
//     Value(tag='hessian/trace', simple_value=8)]))
const GOLDEN_HYPERPARAMETERS =
  '09000000000000f83f2a740a720a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f4a520a500a0768706172616d7312451a430a0d0a02677212071a0565786163740a190a0c6c6561726e696e6752617465120911000000000000e03f0a0e0a086e65737465726f761202200029000000000000f83f';
const GOLDEN_HESSIAN =
  '09000000000000f83f10052a350a1d0a166865737369616e2f746f705f656967656e76616c756515000000400a140a0d6865737369616e2f74726163651500000041';

test('hyperparameters and diagnostics are written as TensorBoard writes them', (t) => {
  const folder = temporaryFolder(t);
  const hyperparameters = { gr: 'exact', learningRate: 0.5, nesterov: false, r: undefined };
  const log = openTensorBoard(folder, { hyperparameters, now: () => 1500 });
  log.diagnose({ ...hessianRecord(5), top_eigenvalue: 2, trace: 8 });
  log.close();
  const [, session, hessian, ...more] = events(eventFile(folder));
  t.is(session?.toString('hex'), GOLDEN_HYPERPARAMETERS);
  t.is(hessian?.toString('hex'), GOLDEN_HESSIAN);
  t.deepEqual(more, []);
});

test('a record of diagnostics becomes scalars by group, without what it has not', (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder);
  const group = { ...groupRecord(), nu_mean: null, nu_std: null };
  log.diagnose(stepRecord(10, { gr_angle: null, all: group, groups: { head: group } }));
  log.close();
  const tags =
    eventFile(folder)
      .toString('latin1')
      .match(/diagnostics\/[a-z_/]+/g) ?? [];
  t.deepEqual(tags.slice(0, 4), [
    'diagnostics/rho',
    'diagnostics/rectification',
    'diagnostics/all/grad_norm',
    'diagnostics/all/update_norm',
  ]);
  t.is(tags.filter((tag) => tag.startsWith('diagnostics/head/')).length, 8);
});

test('frames follow one another to the end of the file, however many', (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder);
  for (let step = 1; step <= 700; step++) log.write(trainRecord(step));
  log.close();
  const file = eventFile(folder);
  const frames = events(file);
  t.is(frames.length, 701);
  t.is(
    frames.reduce((bytes, { length }) => bytes + 12 + length + 4, 0),
    file.length,
  );
});

test('the name is one that TensorBoard looks for, and sorts by time', (t) => {
  const folder = join(temporaryFolder(t), 'tensorboard');
  openTensorBoard(folder, { now: () => 1_700_000_000_500 }).close();
  t.deepEqual(readdirSync(folder), [`events.out.tfevents.1700000000.${process.pid}`]);
});
