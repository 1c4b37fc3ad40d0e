/** Small folders of generated JPEG pictures in the layouts of ImageNet and of TinyImageNet, to train with for a few steps. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

interface FolderOptions {
  /** Of every picture of ImageNet; many sizes around 160×120 by default. */
  readonly size?: { readonly width: number; readonly height: number };
  readonly classes: number;
  /** Of each class. */
  readonly train: number;
  /** Of each class. */
  readonly test: number;
}

/** A picture of its class's stripes: classes differ in colour and in the stripes' direction and width. */
export async function stripes(width: number, height: number, label: number, index: number): Promise<Buffer> {
  const angle = label * 2.4;
  const frequency = 0.15 + 0.05 * (label % 7);
  const pixels = new Uint8Array(width * height * 3);
  for (let at = 0; at < width * height; at++) {
    const place = Math.cos(angle) * (at % width) + Math.sin(angle) * Math.floor(at / width);
    for (let c = 0; c < 3; c++) {
      const wave = Math.sin(frequency * place + index + (c * label) / 3);
      pixels[at * 3 + c] = 128 + 90 * wave + ((at * 31 + index * 17 + c) % 29);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

export function wnidOf(label: number): string {
  return `n${String(1000000 + 37 * label).padStart(8, '0')}`;
}

/** `train/<wnid>/` and `val/<wnid>/`. */
export async function writeImagenet(
  dir: string,
  { classes, train, test, size }: FolderOptions,
): Promise<void> {
  for (let label = 0; label < classes; label++) {
    for (const [part, count] of [
      ['train', train],
      ['val', test],
    ] as const) {
      for (let i = 0; i < count; i++) {
        const many = { width: 140 + ((label * 13 + i * 7) % 60), height: 100 + ((label * 5 + i * 11) % 50) };
        const { width, height } = size ?? many;
        write(
          join(dir, part, wnidOf(label), `${part}_${label}_${i}.JPEG`),
          await stripes(width, height, label, i),
        );
      }
    }
  }
}

/** TinyImageNet's files: of each class `<wnid>_<i>.JPEG`, and `val_annotations.txt`. */
export async function writeTinyImagenet(dir: string, { classes, train, test }: FolderOptions): Promise<void> {
  const wnids = Array.from({ length: classes }, (_, label) => wnidOf(label));
  // Not in sorted order, as in the archive.
  write(join(dir, 'wnids.txt'), `${wnids.toReversed().join('\n')}\n`);
  write(join(dir, 'words.txt'), wnids.map((wnid, i) => `${wnid}\tthing ${i}, another name\n`).join(''));
  const annotations: string[] = [];
  for (const [label, wnid] of wnids.entries()) {
    for (let i = 0; i < train; i++) {
      write(join(dir, 'train', wnid, 'images', `${wnid}_${i}.JPEG`), await stripes(64, 64, label, i));
    }
    for (let i = 0; i < test; i++) {
      const name = `val_${i * classes + label}.JPEG`;
      write(join(dir, 'val', 'images', name), await stripes(64, 64, label, 1000 + i));
      annotations.push(`${name}\t${wnid}\t0\t32\t44\t62\n`);
    }
  }
  write(join(dir, 'val', 'val_annotations.txt'), annotations.join(''));
}

function write(file: string, content: Uint8Array | string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
