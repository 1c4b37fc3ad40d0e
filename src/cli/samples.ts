/** Test images with what a trained model makes of them, for the report. */

import { NO_AUGMENTATION, normalizationTable } from '../datasets/augment.ts';
import { assembleBatch } from '../datasets/batches.ts';
import { openDataset } from '../datasets/open.ts';
import { encodePng } from '../datasets/picture.ts';
import { permutation, Random } from '../random.ts';
import type { Sample } from '../report/page.ts';
import type { TrainConfig } from '../train/config.ts';
import { infer } from '../train/evaluate.ts';
import { openInference, openModel } from '../train/model.ts';

/** As many samples as the config asks for, drawn by its seed, with the run's best checkpoint. */
export async function predictSamples(run: string, config: TrainConfig): Promise<Sample[]> {
  if (config.samples === 0) return [];
  const { spec, weights, source } = await openModel(`${run}/best`, config.data);
  const dataset = await openDataset(source);
  const { test } = dataset;
  const order = permutation(test.length, new Random(config.seed, 'sample'));
  const indices = order.slice(0, Math.min(config.samples, test.length));
  const options = { seed: config.seed, augmentation: NO_AUGMENTATION };
  const batch = await assembleBatch(dataset, test, normalizationTable(dataset), options, indices, 0, 0);
  const session = await openInference(spec, { device: 'cpu', threads: config.threads });
  const logits = await infer(session, spec, weights, batch.images);
  await session.release();
  const { channels, height, width } = spec.image;
  return Promise.all(
    Array.from(indices, async (index, i): Promise<Sample> => {
      const row = logits.subarray(i * spec.classes, (i + 1) * spec.classes);
      const { best, probability } = mostLikely(row);
      const pixels = new Uint8Array(channels * height * width);
      await test.read(index, pixels, 0);
      const scale = Math.max(1, Math.floor(96 / width));
      const png = await encodePng(pixels, channels === 1 ? 1 : 3, height, width, scale);
      return {
        png: png.toString('base64'),
        label: dataset.classes[batch.labels[i] ?? 0] ?? '',
        prediction: dataset.classes[best] ?? '',
        probability,
      };
    }),
  );
}

function mostLikely(logits: Float32Array): { best: number; probability: number } {
  const best = logits.reduce((top, logit, i) => (logit > (logits[top] ?? 0) ? i : top), 0);
  const highest = logits[best] ?? 0;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  return { best, probability: 1 / sum };
}
