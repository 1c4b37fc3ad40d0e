import { createHash } from 'node:crypto';
import test from 'ava';
import { OPERATIONS, type Operation, type OperationName } from '../../../src/data/augmentation/operations.ts';
import { resizedPart } from '../../../src/data/augmentation/resize.ts';

/** Pixel k of a picture, as the snippets below draw it. */
function pictureOf(height: number, width: number): Uint8Array {
  return Uint8Array.from(
    { length: 3 * height * width },
    (_, k) => (k * k * 7 + k * 13 + Math.floor(k / width) * 31) % 251,
  );
}

function digest(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

/**
 * Of torchvision 0.29.1 with Pillow 13.0.0:
 *
 *     from torchvision.transforms.autoaugment import _apply_op
 *     h, w = 9, 12
 *     k = np.arange(3 * h * w).reshape(3, h, w)
 *     a = ((k * k * 7 + k * 13 + k // w * 31) % 251).astype(np.uint8)
 *     pictures = [Image.fromarray(p.transpose(1, 2, 0))
 *                 for p in (a, (a // 3 + 40).astype(np.uint8), (a // 128 * 90 + k // w % 3).astype(np.uint8))]
 *     planes = lambda image: np.asarray(image).transpose(2, 0, 1).tobytes()
 *     out = [planes(_apply_op(p, name, m, InterpolationMode.NEAREST, None)) for m in magnitudes for p in pictures]
 *     hashlib.sha256(b''.join(out)).hexdigest()[:16]
 */
const GOLDEN = {
  Identity: [[0], '7c329a1e385ebcf7'],
  ShearX: [[0.3, -0.1], '6a8f09977ce8c34f'],
  ShearY: [[0.2, -0.3], 'b99f74b2ea7010bb'],
  TranslateX: [[3.7, -2], 'cb8dd70c4966a6a1'],
  TranslateY: [[-3.2, 1.5], '74774c0ba695bcbc'],
  Rotate: [[30, -13.3], 'bdbf6f91ae862c5e'],
  Brightness: [[0.5, -0.9], 'c730c1c50fb7b10a'],
  Color: [[0.9, -0.4], '3a4bf895ec415fb2'],
  Contrast: [[0.7, -0.3], 'fd80f338363a219c'],
  Sharpness: [[0.9, -0.8], 'be626b07f3be8e73'],
  Posterize: [[4, 6], 'c654467ef9fd1fb3'],
  Solarize: [[128, 56.67], '82ac3f3b3427fc26'],
  AutoContrast: [[0], '788a6b2d82b0f21f'],
  Equalize: [[0], '7c329a1e385ebcf7'],
  Invert: [[0], '909d6ccf011a2478'],
} as const satisfies Readonly<Record<OperationName, readonly [readonly number[], string]>>;

const shape = { channels: 3, height: 9, width: 12 };
const first = pictureOf(9, 12);
const pictures = [
  first,
  first.map((value) => Math.floor(value / 3) + 40),
  first.map((value, k) => Math.floor(value / 128) * 90 + (Math.floor(k / 12) % 3)),
];

for (const [name, operation] of Object.entries<Operation>(OPERATIONS)) {
  test(`${name} gives Pillow's bytes`, (t) => {
    const [, [magnitudes, expected]] = Object.entries(GOLDEN).find(([each]) => each === name) ?? [
      '',
      [[], ''],
    ];
    const outs = magnitudes.flatMap((magnitude) =>
      pictures.map((picture) => {
        const out = new Uint8Array(picture.length);
        operation(picture, out, shape, magnitude);
        return out;
      }),
    );
    t.is(digest(...outs), expected);
  });
}

test('Equalize gives Pillow’s bytes where there are enough pixels for its step', (t) => {
  // np.add.outer(np.arange(48) * 5, np.arange(64) * 3)[None] % 200 + np.arange(3)[:, None, None] * 7, as above
  const large = { channels: 3, height: 48, width: 64 };
  const picture = Uint8Array.from({ length: 3 * 48 * 64 }, (_, k) => {
    const [c, y, x] = [Math.floor(k / 3072), Math.floor(k / 64) % 48, k % 64];
    return ((y * 5 + x * 3) % 200) + c * 7;
  });
  const out = new Uint8Array(picture.length);
  OPERATIONS.Equalize(picture, out, large, 0);
  t.is(digest(out), 'bdfb837afed40855');
  t.notDeepEqual(out, picture);
});

/** planes(picture(h, w).crop(box).resize(size, Image.BILINEAR)), which torchvision's resized_crop calls. */
const RESIZED = [
  { from: [9, 12], box: [2, 1, 9, 8], size: [12, 9], expected: 'c2ac05ad1184ecd6' },
  { from: [40, 60], box: [5, 3, 55, 38], size: [12, 9], expected: 'c2abb96f7f6317de' },
  { from: [9, 12], box: [0, 0, 12, 9], size: [5, 4], expected: '8124762d0057ce7c' },
  { from: [375, 500], box: [100, 50, 430, 360], size: [224, 224], expected: '96615d9a20f31437' },
] as const;
for (const { from, box, size, expected } of RESIZED) {
  test(`box ${box} of ${from} in ${size} has Pillow's bytes`, (t) => {
    const [left, top, right, bottom] = box;
    const [height, width] = from;
    const out = new Uint8Array(3 * size[0] * size[1]);
    resizedPart(
      pictureOf(height, width),
      { channels: 3, height, width },
      { left, top, width: right - left, height: bottom - top },
      out,
      { width: size[0], height: size[1] },
    );
    t.is(digest(out), expected);
  });
}
