/** Loss and accuracy from logits, and a pass over a test set. Also for browsers. */
import type { Manifest } from '../artifacts/image-manifest.ts';
import type { Batch } from '../data/batch.ts';
import { imagesOf } from '../data/images.ts';
import type { Session, Tensor } from '../runtime/session.ts';

export interface Scores {
  /** Mean cross-entropy, without label smoothing. */
  readonly loss: number;
  /** Fractions, 0 to 1. */
  readonly top1: number;
  readonly top5: number;
}

/**
 * Sums over images, so that batches of any size add up. logits: float32 [n, classes]; labels: int32 [n]. Of equal logits
 * the one of the lower class ranks first, as in argmax. An image with a logit that is not finite has loss NaN and is
 * never right.
 */
export function score(
  logits: Float32Array,
  labels: Int32Array,
): { loss: number; top1: number; top5: number } {
  const classes = logits.length / labels.length;
  let [loss, top1, top5] = [0, 0, 0];
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const own = row[label];
    if (own === undefined || !row.every(Number.isFinite)) {
      loss = Number.NaN;
      return;
    }
    const ahead = row.filter((logit, j) => logit > own || (logit === own && j < label)).length;
    const maximum = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, logit) => total + Math.exp(logit - maximum), 0);
    loss += maximum + Math.log(sum) - own;
    if (ahead < 1) top1++;
    if (ahead < 5) top5++;
  });
  return { loss, top1, top5 };
}

/** Logits of images through the inference graph: float32 [n, classes] for n labels. */
export async function infer(
  session: Session,
  { image }: Pick<Manifest, 'image'>,
  weights: Readonly<Record<string, Tensor>>,
  images: Float32Array,
): Promise<Float32Array> {
  const { channels, height, width } = image;
  const shape = [images.length / (channels * height * width), channels, height, width];
  const { logits } = await session.run({ ...weights, images: { dtype: 'float32', shape, data: images } });
  if (!(logits?.data instanceof Float32Array)) throw new Error('internal: the graph gave no float32 logits');
  return logits.data;
}

/** Scores a model on all batches; `seen` gets the logits and the labels of each batch. */
export async function evaluate(
  session: Session,
  manifest: Pick<Manifest, 'image'>,
  weights: Readonly<Record<string, Tensor>>,
  batches: AsyncIterable<Pick<Batch, 'fields' | 'examples'>>,
  seen: (logits: Float32Array, labels: Int32Array) => void = () => {},
): Promise<Scores & { readonly images: number }> {
  let [loss, top1, top5, images] = [0, 0, 0, 0];
  for await (const batch of batches) {
    const { images: pictures, labels } = imagesOf(batch);
    const logits = await infer(session, manifest, weights, pictures);
    seen(logits, labels);
    const sums = score(logits, labels);
    loss += sums.loss;
    top1 += sums.top1;
    top5 += sums.top5;
    images += batch.examples;
  }
  return { loss: loss / images, top1: top1 / images, top5: top5 / images, images };
}
