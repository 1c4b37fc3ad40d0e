/** Tiny datasets in temporary folders. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import sharp from 'sharp';
import type { ImageSplit } from '../../src/data/images.ts';
import { UserError } from '../../src/errors.ts';

/** A folder with these files in it, gone after the test. */
export function folder(t: ExecutionContext, files: Readonly<Record<string, Uint8Array>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'ortgrad-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  writeFiles(dir, files);
  return dir;
}

/** Writes files, and the folders that they are in. */
export function writeFiles(dir: string, files: Readonly<Record<string, Uint8Array>>): void {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), bytes);
  }
}

function bigEndian(...numbers: number[]): number[] {
  return numbers.flatMap((n) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
}

/** An IDX file of `count` 28×28 images whose pixel p of image i is (i + p) mod 256. */
export function idxImages(count: number, { magic = 0x803, rows = 28, said = count } = {}): Uint8Array {
  const pixels = Array.from({ length: count * 784 }, (_, k) => (Math.floor(k / 784) + (k % 784)) % 256);
  return Uint8Array.from([...bigEndian(magic, said, rows, 28), ...pixels]);
}

export function idxLabels(labels: readonly number[]): Uint8Array {
  return Uint8Array.from([...bigEndian(0x801, labels.length), ...labels]);
}

export function mnistFiles(): Record<string, Uint8Array> {
  return {
    'train-images-idx3-ubyte': idxImages(4),
    'train-labels-idx1-ubyte': idxLabels([3, 1, 4, 1]),
    't10k-images-idx3-ubyte': idxImages(2),
    't10k-labels-idx1-ubyte': idxLabels([5, 9]),
  };
}

/** CIFAR records: the label bytes of each, then pixel p of record i is (7·i + p) mod 256. */
export function cifarRecords(labels: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from(
    labels.flatMap((bytes, i) => [...bytes, ...Array.from({ length: 3072 }, (_, p) => (7 * i + p) % 256)]),
  );
}

/** A CIFAR-10 of `count` training images with the labels 0, 1, …, 9, 0, … and two test images. */
export function cifar10Files(count: number): Record<string, Uint8Array> {
  return {
    'data_batch_1.bin': cifarRecords(Array.from({ length: count }, (_, i) => [i % 10])),
    'test_batch.bin': cifarRecords([[0], [1]]),
  };
}

export type Colour = { r: number; g: number; b: number };

/** An image file of one colour. */
export function picture(
  width: number,
  height: number,
  background: Colour & { alpha?: number },
  format: 'png' | 'jpeg' | 'webp' = 'png',
): Promise<Uint8Array> {
  const channels = background.alpha === undefined ? 3 : 4;
  return sharp({ create: { width, height, channels, background } }).toFormat(format).toBuffer();
}

/** Copies the pixels of one image to `out` from `offset` on. */
export async function readPixels(
  split: ImageSplit,
  index: number,
  out: Uint8Array,
  offset: number,
): Promise<void> {
  const { data, offset: from } = await split.pixels(index);
  const whole = data.subarray(from, from + out.length - offset);
  out.set(whole, offset);
}

/** What is expected of a user's error, for `t.throwsAsync`. */
export function userError(message: RegExp) {
  return { instanceOf: UserError, message };
}
