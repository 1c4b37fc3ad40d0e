/** Files that a reader of the page for a file of one's own would drop. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { encodePng } from '../../src/data/picture.node.ts';
import { Random } from '../../src/random.ts';
import { type FileNode, grid, onnxFile } from '../import/_onnx-file.ts';

export const SIDE = 16;
export const COLOURS = ['blue', 'green', 'red'] as const;

/** A small network of pictures [3, 16, 16] with ten classes, as PyTorch names its parts. */
export function pictureModel(): Uint8Array {
  const nodes: FileNode[] = [
    {
      ...{ op: 'Conv', name: '/conv/Conv', inputs: ['images', 'conv.weight', 'conv.bias'], outputs: ['a'] },
      attributes: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    },
    { op: 'Relu', inputs: ['a'], outputs: ['b'] },
    { op: 'GlobalAveragePool', inputs: ['b'], outputs: ['c'] },
    { op: 'Flatten', inputs: ['c'], outputs: ['d'] },
    {
      ...{ op: 'Gemm', name: '/fc/Gemm', inputs: ['d', 'fc.weight', 'fc.bias'], outputs: ['logits'] },
      attributes: { transB: 1 },
    },
  ];
  return onnxFile({
    nodes,
    tensors: {
      'conv.weight': grid([8, 3, 3, 3]),
      'conv.bias': grid([8]),
      'fc.weight': grid([10, 8]),
      'fc.bias': grid([10]),
    },
    inputs: { images: ['batch', 3, SIDE, SIDE] },
    outputs: { logits: ['batch', 10] },
  });
}

/** The mean of embeddings of bytes, of 16 tokens, and a layer of two classes. */
export function textModel(): Uint8Array {
  return onnxFile({
    nodes: [
      { op: 'Gather', inputs: ['embed.weight', 'input_ids'], outputs: ['a'] },
      { op: 'ReduceMean', inputs: ['a'], outputs: ['b'], attributes: { axes: [1], keepdims: 0 } },
      { op: 'Gemm', inputs: ['b', 'fc.weight'], outputs: ['logits'], attributes: { transB: 1 } },
    ],
    tensors: { 'embed.weight': grid([258, 8]), 'fc.weight': grid([2, 8]) },
    inputs: { 'input_ids:int64': ['batch', 'sequence'] },
    outputs: { logits: ['batch', 2] },
  });
}

/** Lines of vowels and of consonants, with their labels. */
export function labelledLines(count: number): string {
  const random = new Random(1, 'sample');
  const lines = Array.from({ length: count }, (_, i) => {
    const letters = i % 2 === 0 ? 'aeiou' : 'bcdfg';
    return `${i % 2 === 0 ? 'vowels' : 'others'}\t${Array.from({ length: 12 }, () => letters[random.integer(5)]).join('')}`;
  });
  return `${lines.join('\n')}\n`;
}

/** uint8 [3, 16, 16]: noise, brighter in one of three colours. */
export function pictureOf(colour: number, index: number, side = SIDE): Uint8Array {
  const random = new Random(colour, 'sample', index);
  const plane = side * side;
  return Uint8Array.from({ length: 3 * plane }, (_, i) => {
    const isBright = Math.floor(i / plane) === 2 - colour;
    return random.integer(100) + (isBright ? 120 : 0);
  });
}

/** Writes `count` pictures for each colour into a folder of its own. */
export async function writePictures(folder: string, count: number): Promise<void> {
  for (const [k, colour] of COLOURS.entries()) {
    mkdirSync(path.join(folder, colour), { recursive: true });
    for (let i = 0; i < count; i++) {
      const png = await encodePng(pictureOf(k, i), 3, SIDE, SIDE);
      writeFileSync(path.join(folder, colour, `${String(i).padStart(2, '0')}.png`), png);
    }
  }
}
