/** What a run's report shows beyond the run's files: facts of its config, and its best model on the test images. */

import type { TrainConfig } from '../config/config.ts';
import { assembleBatch } from '../data/batches.ts';
import { imageInfo, imagesOf, pixelsOf } from '../data/images.ts';
import { openDataset } from '../data/open.node.ts';
import { encodePng } from '../data/picture.node.ts';
import { UserError } from '../errors.ts';
import { argmax, type Confusion, countConfusion } from '../inference/confusion.ts';
import { openInference, openModel, type TrainedModel } from '../inference/model.node.ts';
import { permutation, Random } from '../random.ts';
import type { ReportInput, Sample } from '../report/page.node.ts';
import { evaluate, infer } from '../run/evaluate.ts';
import { openTestLoader } from '../run/run.node.ts';
import type { Session } from '../runtime/session.ts';
import { print } from './print.ts';

/** Evaluates the run's best checkpoint on the test images. Returns only facts if the images or the model are missing. */
export async function aboutRun(
  run: string,
  config: TrainConfig,
): Promise<Pick<ReportInput, 'facts' | 'samples' | 'confusion'>> {
  const { graph, device, microBatch, memory } = config;
  const facts = { graph, device, 'micro-batch': microBatch, memory: memory ?? 'fast' };
  try {
    const model = await openModel(`${run}/best`, config.data);
    const session = await openInference(model.spec, { device: 'cpu', threads: config.threads });
    try {
      const confusion = await confusionOf(session, model);
      return { facts, confusion, samples: await predictSamples(session, model, config) };
    } finally {
      await session.release();
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    print(`the report leaves out the test images: ${error.message}`);
    return { facts };
  }
}

async function confusionOf(
  session: Session,
  { checkpoint, spec, weights, source }: TrainedModel,
): Promise<Confusion> {
  const { confusion, add } = countConfusion(checkpoint.dataset.classes);
  const loader = await openTestLoader(source);
  try {
    await evaluate(session, spec, weights, loader.batches({ epoch: 0 }), add);
  } finally {
    await loader.close();
  }
  return confusion;
}

/** Predictions for as many test images as the config asks for, drawn by its seed. */
async function predictSamples(
  session: Session,
  { spec, weights, source }: TrainedModel,
  config: TrainConfig,
): Promise<Sample[]> {
  if (config.samples === 0) return [];
  const dataset = await openDataset(source);
  const { test } = dataset;
  const order = permutation(test.length, new Random(config.seed, 'sample'));
  const indices = order.slice(0, Math.min(config.samples, test.length));
  const { images, labels } = imagesOf(await assembleBatch(dataset.fields, test, indices));
  const logits = await infer(session, spec, weights, images);
  const info = imageInfo(dataset);
  const { channels, height, width } = spec.image;
  return Promise.all(
    Array.from(indices, async (_, i): Promise<Sample> => {
      const row = logits.subarray(i * spec.classes, (i + 1) * spec.classes);
      const { best, probability } = mostLikely(row);
      const size = channels * height * width;
      const pixels = pixelsOf(images.subarray(i * size, (i + 1) * size), info);
      const scale = Math.max(1, Math.floor(96 / width));
      const png = await encodePng(pixels, channels === 1 ? 1 : 3, height, width, scale);
      return {
        png: png.toString('base64'),
        label: info.classes[labels[i] ?? 0] ?? '',
        prediction: info.classes[best] ?? '',
        probability,
      };
    }),
  );
}

function mostLikely(logits: Float32Array): { best: number; probability: number } {
  const best = argmax(logits);
  const highest = logits[best] ?? 0;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  return { best, probability: 1 / sum };
}
