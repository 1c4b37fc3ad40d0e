import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { crc32c, openTensorBoard } from '../../src/train/tensorboard.ts';
import { temporaryFolder, testRecord, trainRecord } from './_records.ts';

/** The bytes of the one event file in a folder. */
function eventFile(folder: string): Buffer {
  const [name = '', ...others] = readdirSync(folder);
  if (others.length > 0) throw new Error(`expected one file in ${folder}, got ${others.length + 1}`);
  return readFileSync(join(folder, name));
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
//     [('loss', .25), ('top1', .5), ('top5', 1), ('images_per_second', 300)]]))
const GOLDEN =
  '1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c100000000000000095fbfe1809000000000000f83f10ad023a020801d17949d46300000000000000b16b13d909000000000000f83f10ad022a550a100a09746573742f6c6f7373150000803e0a100a09746573742f746f7031150000003f0a100a09746573742f746f7035150000803f0a1d0a16746573742f696d616765735f7065725f7365636f6e641500009643bd91c80c';

test('a resumed run writes the bytes that TensorBoard writes', (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder, { resumeAtStep: 300, now: () => 1500 });
  const { split, step, epoch, loss, top1, top5, images_per_second } = testRecord(301, {
    loss: 0.25,
    top1: 0.5,
    images_per_second: 300,
  });
  log.write({ split, step, epoch, loss, top1, top5, images_per_second });
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
    'train/images_per_second',
  ]);
});

test('frames follow one another to the end of the file, however many', (t) => {
  const folder = temporaryFolder(t);
  const log = openTensorBoard(folder);
  for (let step = 1; step <= 700; step++) log.write(trainRecord(step));
  log.close();
  const file = eventFile(folder);
  let frames = 0;
  let at = 0;
  for (; at < file.length; frames++) at += 12 + Number(file.readBigUInt64LE(at)) + 4;
  t.is(at, file.length);
  t.is(frames, 701);
});

test('the name is one that TensorBoard looks for, and sorts by time', (t) => {
  const folder = join(temporaryFolder(t), 'tensorboard');
  openTensorBoard(folder, { now: () => 1_700_000_000_500 }).close();
  t.deepEqual(readdirSync(folder), [`events.out.tfevents.1700000000.${process.pid}`]);
});
