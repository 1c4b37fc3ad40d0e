import test from 'ava';
import sharp from 'sharp';
import { encodePng } from '../../src/datasets/picture.ts';

test('a picture keeps its pixels and is enlarged without blur', async (t) => {
  const pixels = Uint8Array.of(1, 2, 3, 4, 50, 60, 70, 80, 200, 201, 202, 203); // 3×2×2
  const { data, info } = await sharp(await encodePng(pixels, 3, 2, 2, 2))
    .raw()
    .toBuffer({ resolveWithObject: true });
  t.deepEqual([info.width, info.height, info.channels], [4, 4, 3]);
  const at = (y: number, x: number) => [...data.subarray((y * 4 + x) * 3, (y * 4 + x) * 3 + 3)];
  t.deepEqual(at(0, 1), [1, 50, 200]);
  t.deepEqual(at(1, 2), [2, 60, 201]);
  t.deepEqual(at(3, 0), [3, 70, 202]);
});

test('a grey picture is encoded, too', async (t) => {
  const png = await encodePng(Uint8Array.of(9, 8, 7), 1, 1, 3);
  const grey = await sharp(png).toColourspace('b-w').raw().toBuffer();
  t.deepEqual([...grey], [9, 8, 7]);
});

test('pixels that do not fill the picture are refused', async (t) => {
  await t.throwsAsync(encodePng(new Uint8Array(5), 1, 2, 2), { message: /5 bytes for 1×2×2/ });
});
