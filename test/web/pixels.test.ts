import test from 'ava';
import { bestAnswers, coverBox, placeDigit, toChannels } from '../../src/web/pixels.ts';

test('the middle of a picture, in the proportions asked for', (t) => {
  const square = { width: 32, height: 32 };
  t.deepEqual(coverBox({ width: 640, height: 480 }, square), { x: 80, y: 0, width: 480, height: 480 });
  t.deepEqual(coverBox({ width: 30, height: 90 }, square), { x: 0, y: 30, width: 30, height: 30 });
  t.deepEqual(coverBox(square, square), { x: 0, y: 0, ...square });
  const wide = { width: 64, height: 32 };
  t.deepEqual(coverBox({ width: 100, height: 100 }, wide), { x: 0, y: 25, width: 100, height: 50 });
});

test('colours lose their alpha, and become luma for one channel; greys keep their value', (t) => {
  const rgba = Uint8ClampedArray.of(255, 0, 0, 255, 10, 20, 30, 255);
  t.deepEqual(toChannels(rgba, 3), Uint8Array.of(255, 0, 0, 10, 20, 30));
  t.deepEqual(toChannels(rgba, 1), Uint8Array.of(76, 18));
  const greys = Uint8ClampedArray.from({ length: 1024 }, (_, i) => (i % 4 === 3 ? 255 : i >> 2));
  t.deepEqual(
    toChannels(greys, 1),
    Uint8Array.from({ length: 256 }, (_, i) => i),
  );
});

test('a drawn digit is put where MNIST has it: 20 of 28 large, its mass in the middle', (t) => {
  const [width, height] = [40, 40];
  const rgba = new Uint8ClampedArray(4 * width * height);
  // A bar of 4 × 10 at (5, 7), of even ink.
  for (let y = 7; y < 17; y++)
    for (let x = 5; x < 9; x++) rgba.fill(255, 4 * (y * width + x), 4 * (y * width + x) + 4);
  const placement = placeDigit(rgba, { width, height });
  t.deepEqual(placement?.from, { x: 5, y: 7, width: 4, height: 10 });
  const { x = 0, y = 0, width: w = 0, height: h = 0 } = placement?.to ?? {};
  t.true(Math.abs(h - 20 / 28) < 1e-12);
  t.true(Math.abs(w - 8 / 28) < 1e-12);
  t.true(Math.abs(x + w / 2 - 0.5) < 1e-12);
  t.true(Math.abs(y + h / 2 - 0.5) < 1e-12);
  // Ink at one end pulls the mass, and so the digit the other way.
  for (let x = 5; x < 9; x++) rgba.fill(60, 4 * (16 * width + x), 4 * (16 * width + x) + 3);
  t.true((placeDigit(rgba, { width, height })?.to.y ?? 0) > y);
  t.is(placeDigit(new Uint8ClampedArray(64), { width: 4, height: 4 }), undefined);
});

test('the best answers come first, with probabilities that do not overflow', (t) => {
  const logits = Float32Array.of(1000, 1001, 998);
  const answers = bestAnswers(logits, ['cat', 'dog', 'bird'], 2);
  t.deepEqual(
    answers.map(({ label }) => label),
    ['dog', 'cat'],
  );
  const total = 1 + Math.exp(-1) + Math.exp(-3);
  t.true(Math.abs((answers[0]?.probability ?? 0) - 1 / total) < 1e-12);
  t.is(bestAnswers(logits, ['cat'], 5).length, 3);
});
