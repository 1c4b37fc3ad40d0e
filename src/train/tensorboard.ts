/**
 * TensorBoard's event file, written by hand: TFRecord frames around `Event` messages, of which a scalar needs six
 * fields (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openAppendFile } from './append-file.ts';
import type { RecordSink } from './metrics.ts';

/**
 * Opens a new event file in `folder`, for `tensorboard --logdir`. Each measurement of a record becomes a scalar such
 * as `train/loss` or `test/top1`. A resumed run adds a second file whose first event tells TensorBoard to forget
 * what the first one holds past `resumeAtStep`.
 *
 * @param now milliseconds since 1970
 */
export function openTensorBoard(
  folder: string,
  { resumeAtStep, now = Date.now }: { resumeAtStep?: number; now?: () => number } = {},
): RecordSink {
  mkdirSync(folder, { recursive: true });
  const started = now();
  const file = openAppendFile(
    join(folder, `events.out.tfevents.${Math.floor(started / 1000)}.${process.pid}`),
  );
  const append = (...fields: Buffer[]) =>
    file.append(frame(Buffer.concat([double(1, now() / 1000), ...fields])));
  append(bytes(3, Buffer.from('brain.Event:2')));
  if (resumeAtStep !== undefined) append(integer(2, resumeAtStep + 1), bytes(7, integer(1, SESSION_START)));
  return {
    write({ step, epoch: _, split, ...measurements }) {
      const scalars = Object.entries(measurements).flatMap(([key, value]) =>
        value === null
          ? []
          : [bytes(1, Buffer.concat([bytes(1, Buffer.from(`${split}/${key}`)), float(2, value)]))],
      );
      append(integer(2, step), bytes(5, Buffer.concat(scalars)));
    },
    flush: file.flush,
    close: file.close,
  };
}

/** SessionLog.SessionStatus.START */
const SESSION_START = 1;

// Protocol buffers: a field is its number and wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes),
// then its value.
function integer(field: number, value: number): Buffer {
  return Buffer.from([...varint(field << 3), ...varint(value)]);
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(9, (field << 3) | 1);
  out.writeDoubleLE(value, 1);
  return out;
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(value.length)]), value]);
}

function float(field: number, value: number): Buffer {
  const out = Buffer.alloc(5, (field << 3) | 5);
  out.writeFloatLE(value, 1);
  return out;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

/** A TFRecord: length (uint64), its checksum, the data, its checksum; all little-endian. */
function frame(data: Buffer): Buffer {
  const out = Buffer.alloc(12 + data.length + 4);
  out.writeBigUInt64LE(BigInt(data.length), 0);
  out.writeUInt32LE(masked(crc32c(out.subarray(0, 8))), 8);
  data.copy(out, 12);
  out.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return out;
}

/** TFRecord's mask: a checksum of data that itself holds checksums would be weak. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli, RFC 3720), which is not the CRC-32 of node:zlib. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
