/**
 * TensorBoard's event file, written by hand: TFRecord frames around `Event` messages, of which a scalar needs six
 * fields (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto) and the hyperparameters of its
 * HParams tab six more (tensorboard/plugins/hparams/plugin_data.proto).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openAppendFile } from './append-file.node.ts';
import type { DiagnosticsRecord } from './diagnostics.ts';
import type { RecordSink } from './metrics.ts';

interface TensorBoard extends RecordSink {
  diagnose(record: DiagnosticsRecord): void;
}

/** Numbers, texts and booleans; other values are left out. */
type Hyperparameters = Readonly<Record<string, unknown>>;

/**
 * Opens a new event file in `folder`, for `tensorboard --logdir`. Each measurement of a record becomes a scalar such as
 * `train/loss`, and each metric one under its name (`test/mae`). Diagnostics become scalars such as `diagnostics/head/update_ratio` or `hessian/trace`. The
 * HParams tab shows the `hyperparameters`. A resumed run adds a second file, whose first event tells TensorBoard to
 * forget what the first file holds past `resumeAtStep`.
 *
 * @param now milliseconds since 1970
 */
export function openTensorBoard(
  folder: string,
  {
    resumeAtStep,
    hyperparameters = {},
    now = Date.now,
  }: { resumeAtStep?: number; hyperparameters?: Hyperparameters; now?: () => number } = {},
): TensorBoard {
  mkdirSync(folder, { recursive: true });
  const started = now();
  const file = openAppendFile(
    join(folder, `events.out.tfevents.${Math.floor(started / 1000)}.${process.pid}`),
  );
  const append = (...fields: Buffer[]) =>
    file.append(frame(Buffer.concat([double(1, now() / 1000), ...fields])));
  append(text(3, 'brain.Event:2'));
  if (resumeAtStep !== undefined) append(integer(2, resumeAtStep + 1), bytes(7, integer(1, SESSION_START)));
  const session = sessionStart(hyperparameters, started / 1000);
  if (session) append(bytes(5, session));

  const scalars = (step: number, measurements: readonly (readonly [tag: string, value: number | null])[]) => {
    const values = measurements.flatMap(([tag, value]) =>
      value === null ? [] : [bytes(1, Buffer.concat([text(1, tag), float(2, value)]))],
    );
    append(integer(2, step), bytes(5, Buffer.concat(values)));
  };

  return {
    write({ step, epoch: _, split, loss, metrics, ...measurements }) {
      scalars(
        step,
        Object.entries({ loss, ...metrics, ...measurements }).map(([key, value]) => [
          `${split}/${key}`,
          value,
        ]),
      );
    },
    diagnose(record) {
      scalars(record.step, diagnosticsScalars(record));
    },
    flush: file.flush,
    close: file.close,
  };
}

/** The scalars of a record. The norms of the whole gradient and the rate are left out: training records hold them. */
function diagnosticsScalars(record: DiagnosticsRecord): (readonly [string, number | null])[] {
  if (record.kind === 'hessian') {
    return [
      ['hessian/top_eigenvalue', record.top_eigenvalue],
      ['hessian/trace', record.trace],
    ];
  }
  const { all, groups, gr_angle, rho, rectification } = record;
  return [
    ...Object.entries({ gr_angle, rho, rectification }).map(
      ([key, value]) => [`diagnostics/${key}`, value] as const,
    ),
    ...Object.entries({ all, ...groups }).flatMap(([group, { parameters: _, ...measurements }]) =>
      Object.entries(measurements).map(([key, value]) => [`diagnostics/${group}/${key}`, value] as const),
    ),
  ];
}

/**
 * The Summary that gives a run's hyperparameters to the HParams tab, which finds the metrics among the scalars itself.
 * Undefined if there are no hyperparameters.
 */
function sessionStart(hyperparameters: Hyperparameters, seconds: number): Buffer | undefined {
  const entries = Object.entries(hyperparameters).flatMap(([name, value]) => {
    const encoded = protobufValue(value);
    // SessionStartInfo.hparams: a map from a name to a google.protobuf.Value.
    return encoded ? [bytes(1, Buffer.concat([text(1, name), bytes(2, encoded)]))] : [];
  });
  if (entries.length === 0) return undefined;
  const info = Buffer.concat([...entries, double(5, seconds)]);
  // HParamsPluginData, its version 0 left out, in the metadata of a value without a tensor.
  const plugin = Buffer.concat([text(1, 'hparams'), bytes(2, bytes(3, info))]);
  return bytes(1, Buffer.concat([text(1, '_hparams_/session_start_info'), bytes(9, bytes(1, plugin))]));
}

/** google.protobuf.Value */
function protobufValue(value: unknown): Buffer | undefined {
  if (typeof value === 'number') return double(2, value);
  if (typeof value === 'string') return text(3, value);
  return typeof value === 'boolean' ? integer(4, Number(value)) : undefined;
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

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value));
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

/** TFRecord masks its checksums, because a checksum of data that itself holds checksums would be weak. */
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
