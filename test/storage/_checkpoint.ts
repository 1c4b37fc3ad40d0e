import { parseConfig } from '../../src/config/config.ts';
import type { Checkpoint } from '../../src/storage/checkpoint.ts';

/** A checkpoint after `step` steps whose `elements` parameters all are `step`. */
export function checkpointAt(step: number, best: Checkpoint['best'] = null, elements = 8): Checkpoint {
  const tensors = (value: number) => [
    { name: 'block0/kernel', shape: [elements / 2, 2], data: new Float32Array(elements).fill(value) },
    { name: 'head/bias', shape: [1], data: Float32Array.of(-value) },
  ];
  return {
    config: parseConfig({ epochs: 3, gr: 'none' }, 'test'),
    step,
    epoch: Math.floor(step / 10),
    generator: { seed: 7 },
    best,
    graph: { name: 'tiny', hash: 'abc', spec: { model: 'mlp', widths: [2] } },
    dataset: {
      name: 'mnist',
      fields: { images: { dtype: 'float32', shape: [1, 28, 28] }, labels: { dtype: 'int32', shape: [] } },
      found: '2 images',
      about: { classes: ['0', '1'], mean: [0.13], std: [0.31] },
      bytes: 1570,
    },
    parameters: tensors(step),
    optimizer: { name: 'adamw', slots: { mu: tensors(step + 0.5), nu: tensors(step + 0.25) } },
  };
}

/** The best of a classifier, by its accuracy alone. */
export function bestAt(top1: number, step: number): NonNullable<Checkpoint['best']> {
  return { metric: 'top1', value: top1, better: 'higher', step, split: 'test' };
}
