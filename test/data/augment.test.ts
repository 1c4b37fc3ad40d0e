import test from 'ava';
import fc from 'fast-check';
import {
  drawPlacement,
  normalizationTable,
  type Placement,
  type Shift,
  writeNormalized,
} from '../../src/data/augment.ts';
import { Random } from '../../src/random.ts';

const shape = { channels: 2, height: 5, width: 7 };
const size = 2 * 5 * 7;
const statistics = { mean: [0.5, 0.25], std: [0.5, 2] };
const table = normalizationTable(statistics);
const pixelArrays = fc.uint8Array({ minLength: size, maxLength: size });
const placements = fc.record({
  top: fc.integer({ min: -8, max: 8 }),
  left: fc.integer({ min: -8, max: 8 }),
  flip: fc.boolean(),
});

function write(pixels: Uint8Array, placement: Placement): Float32Array {
  const out = new Float32Array(size);
  writeNormalized(pixels, 0, shape, table, placement, out, 0);
  return out;
}

/** The definition, pixel by pixel: pad with black, crop, mirror, normalise. */
function reference(pixels: Uint8Array, { top, left, flip }: Placement): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => {
    const [c, y, at] = [Math.floor(i / 35), Math.floor(i / 7) % 5, i % 7];
    const [row, column] = [y + top, (flip ? 6 - at : at) + left];
    const inside = row >= 0 && row < 5 && column >= 0 && column < 7;
    const value = inside ? (pixels[c * 35 + row * 7 + column] ?? 0) : 0;
    return (value / 255 - (statistics.mean[c] ?? 0)) / (statistics.std[c] ?? 1);
  });
}

test('crop, flip and normalisation agree with their definition', (t) => {
  fc.assert(
    fc.property(pixelArrays, placements, (pixels, placement) => {
      t.deepEqual(write(pixels, placement), reference(pixels, placement));
    }),
  );
});

test('two flips are none', (t) => {
  const flip = { top: 0, left: 0, flip: true };
  const bytes = normalizationTable({ mean: [0, 0], std: [1 / 255, 1 / 255] });
  const mirror = (pixels: Uint8Array) => {
    const out = new Float32Array(size);
    writeNormalized(pixels, 0, shape, bytes, flip, out, 0);
    return Uint8Array.from(out, Math.round);
  };
  fc.assert(fc.property(pixelArrays, (pixels) => t.deepEqual(mirror(mirror(pixels)), pixels)));
});

test('an image is read and written at its offset only', (t) => {
  const pixels = Uint8Array.from({ length: size + 3 }, (_, i) => i);
  const out = new Float32Array(size + 4).fill(99);
  writeNormalized(pixels, 3, shape, table, { top: 3, left: -2, flip: true }, out, 2);
  t.deepEqual(out.subarray(2, size + 2), reference(pixels.subarray(3), { top: 3, left: -2, flip: true }));
  t.deepEqual([out[0], out[1], out[size + 2], out[size + 3]], [99, 99, 99, 99]);
});

const draw = (shift: Shift, seed: number, epoch: number, index: number) =>
  drawPlacement(shift, new Random(seed, 'augment', epoch, index));

test('draws lie within the padding and depend on seed, epoch and index alone', (t) => {
  const n = fc.nat(0xffffffff);
  fc.assert(
    fc.property(fc.nat(8), fc.boolean(), n, n, n, (pad, flip, seed, epoch, index) => {
      const drawn = draw({ pad, flip }, seed, epoch, index);
      t.true(Math.abs(drawn.top) <= pad && Math.abs(drawn.left) <= pad && (flip || !drawn.flip));
      t.deepEqual(draw({ pad, flip }, seed, epoch, index), drawn);
      t.deepEqual(draw({ pad: 0, flip: false }, seed, epoch, index), { top: 0, left: 0, flip: false });
    }),
  );
});

test('every crop is drawn, half of the images are flipped, and images, epochs and seeds differ', (t) => {
  const draws = (seed: number, epoch: number) =>
    Array.from({ length: 2000 }, (_, index) => draw({ pad: 4, flip: true }, seed, epoch, index));
  const here = draws(1, 2);
  t.is(new Set(here.map(({ top, left }) => `${top} ${left}`)).size, 81);
  const flips = here.filter(({ flip }) => flip).length;
  t.true(flips > 900 && flips < 1100, `${flips} flips`);
  t.notDeepEqual(draws(1, 3), here);
  t.notDeepEqual(draws(2, 2), here);
});

test('the table normalises every byte of every channel', (t) => {
  t.is(table.length, 512);
  t.deepEqual([table[0], table[255]], [-1, 1]);
  t.deepEqual([table[256], table[256 + 255]], [-0.125, 0.375]);
});
