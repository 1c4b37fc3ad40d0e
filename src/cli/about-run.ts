/** What a run's report shows beyond the run's files: facts of its config, and its best model on the test set. */

import type { TrainConfig } from '../config/config.ts';
import { assembleBatch } from '../data/batches.ts';
import { imageInfo, imagesOf, pixelsOf } from '../data/images.ts';
import { openDataset } from '../data/open.node.ts';
import { encodePng } from '../data/picture.node.ts';
import { UserError } from '../errors.ts';
import { argmax, classesOf, confusionOf } from '../inference/confusion.ts';
import { openInference, openModel, type TrainedModel } from '../inference/model.node.ts';
import { permutation, Random } from '../random.ts';
import type { ReportInput, Sample } from '../report/page.node.ts';
import { fieldFeeds, floatsOf, runOn } from '../run/engine.ts';
import { isImageSpec } from '../tasks/spec.ts';
import { measureOnTest } from './evaluate.ts';
import { print } from './print.ts';

/**
 * Evaluates the run's best checkpoint on the test set. Returns only facts if its examples or the model are missing.
 * `module`: that of a user's own task, which is imported.
 */
export async function aboutRun(
  run: string,
  config: TrainConfig,
  module: string | undefined,
): Promise<Pick<ReportInput, 'facts' | 'samples' | 'confusion'>> {
  const { graph, device, microBatch, memory } = config;
  const facts = { graph: config.model ?? graph, device, 'micro-batch': microBatch, memory: memory ?? 'fast' };
  try {
    const model = await openModel(`${run}/best`, { data: config.data, model: module });
    const { sums } = await measureOnTest(model, { device: 'cpu', threads: config.threads });
    const confusion = confusionOf(sums, classesOf(model.checkpoint.dataset));
    const samples = await predictSamples(model, config);
    return { facts, ...(confusion && { confusion }), ...(samples.length > 0 && { samples }) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    print(`the report leaves out the test set: ${error.message}`);
    return { facts };
  }
}

/** Predictions for as many test images as the config asks for, drawn by its seed. Of other tasks there is no picture. */
async function predictSamples(
  { spec, task, weights, source }: TrainedModel,
  { samples, seed, threads }: TrainConfig,
): Promise<Sample[]> {
  if (samples === 0 || !isImageSpec(spec)) return [];
  const dataset = await openDataset(source);
  const { test } = dataset;
  const order = permutation(test.length, new Random(seed, 'sample'));
  // What is broken is shown as little as it was measured; the measurement has told of it.
  const skipped = source.onBroken === 'skip' ? () => {} : undefined;
  const indices = order.slice(0, Math.min(samples, test.length));
  const batch = await assembleBatch(dataset.fields, test, indices, { skipped });
  const session = await openInference(task, { device: 'cpu', threads });
  const feeds = { ...weights, ...fieldFeeds(task, batch.fields, batch.examples) };
  const logits = floatsOf(await runOn(session, feeds), 'logits');
  await session.release();
  const { images, labels } = imagesOf(batch);
  const info = imageInfo(dataset);
  const { channels, height, width } = spec.image;
  return Promise.all(
    Array.from(labels, async (label, i): Promise<Sample> => {
      const row = logits.subarray(i * spec.classes, (i + 1) * spec.classes);
      const { best, probability } = mostLikely(row);
      const size = channels * height * width;
      const pixels = pixelsOf(images.subarray(i * size, (i + 1) * size), info);
      const scale = Math.max(1, Math.floor(96 / width));
      const png = await encodePng(pixels, channels === 1 ? 1 : 3, height, width, scale);
      return {
        png: png.toString('base64'),
        label: info.classes[label] ?? '',
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
