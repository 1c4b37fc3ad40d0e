/**
 * Images of a batch mixed in pairs, with their labels, which are distributions over the classes: mixup (Zhang et al.,
 * *mixup: Beyond Empirical Risk Minimization*, ICLR 2018) and CutMix (Yun et al., ICCV 2019). Pure: also for browsers.
 */

import { permutation, type Random } from '../../random.ts';
import type { MixingStep } from '../../tasks/augmentation.ts';
import type { ImageShape } from '../augment.ts';
import { boxAround } from './erase.ts';

/** A batch's images, normalised [batch, channels, height, width], and labels [batch, classes]. */
export interface MixedBatch {
  readonly images: Float32Array;
  readonly labels: Float32Array;
  readonly examples: number;
}

/**
 * Mixes a batch in place, with one draw for all of it. Mixup: λ·own + (1 − λ)·other, λ the larger of a draw from
 * Beta(α, α) and 1 less it, so that an image keeps most of itself. CutMix: a box of the other image, of a share 1 − λ of
 * the area before it is cut off at the border, and labels by the area that was pasted.
 */
export function mixBatch(step: MixingStep, batch: MixedBatch, shape: ImageShape, random: Random): void {
  const { images, labels, examples } = batch;
  const drawn = beta(random, step.alpha);
  if (step.step === 'mixup') {
    const share = Math.max(drawn, 1 - drawn);
    const partners = partnersOf(step, examples, random);
    blendRows(images, examples, partners, share);
    blendRows(labels, examples, partners, share);
    return;
  }
  const { height, width } = shape;
  const side = Math.sqrt(1 - drawn);
  const [tall, wide] = [Math.trunc(height * side), Math.trunc(width * side)];
  const box = boxAround(random.integer(height), random.integer(width), tall, wide, shape);
  const partners = partnersOf(step, examples, random);
  const others = images.slice();
  const size = shape.channels * height * width;
  for (let i = 0; i < examples; i++) {
    for (let c = 0; c < shape.channels; c++) {
      for (let y = box.top; y < box.top + box.height; y++) {
        const at = (c * height + y) * width + box.left;
        const from = (partners[i] ?? 0) * size + at;
        images.set(others.subarray(from, from + box.width), i * size + at);
      }
    }
  }
  blendRows(labels, examples, partners, 1 - (box.height * box.width) / (height * width));
}

function partnersOf({ partner }: MixingStep, examples: number, random: Random): Uint32Array {
  if (partner === 'permuted') return permutation(examples, random);
  return Uint32Array.from({ length: examples }, (_, i) => examples - 1 - i);
}

/** Row i becomes share·row i + (1 − share)·row partners[i], in place. */
function blendRows(rows: Float32Array, count: number, partners: Uint32Array, share: number): void {
  const size = rows.length / count;
  const others = rows.slice();
  for (let i = 0; i < count; i++) {
    let from = (partners[i] ?? 0) * size;
    for (let at = i * size; at < (i + 1) * size; at++, from++) {
      rows[at] = share * (rows[at] ?? 0) + (1 - share) * (others[from] ?? 0);
    }
  }
}

/** A draw from Beta(α, α), as a share of two draws from Gamma(α): in logarithms, since both may be too small for a number. */
export function beta(random: Random, alpha: number): number {
  const [a, b] = [logGamma(random, alpha), logGamma(random, alpha)];
  return 1 / (1 + Math.exp(b - a));
}

/**
 * The logarithm of a draw from Gamma(α, 1), by the method of Marsaglia & Tsang, *A Simple Method for Generating Gamma
 * Variables*, 2000; where α < 1 from one of Gamma(α + 1), as they say in section 6.
 */
function logGamma(random: Random, alpha: number): number {
  if (alpha < 1) return logGamma(random, alpha + 1) + Math.log(1 - random.uniform()) / alpha;
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - random.uniform()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}
