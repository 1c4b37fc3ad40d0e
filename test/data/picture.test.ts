import test from 'ava';
import sharp from 'sharp';
import { encodePng, rasterizeSvg } from '../../src/data/picture.node.ts';

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

const drawing = (content: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20" font-family="Helvetica, Arial, sans-serif" font-size="13">${content}</svg>`;

test('a drawing becomes a picture of so many pixels for each of its own', async (t) => {
  const red = drawing('<rect width="30" height="20" fill="#f00"/>');
  const { data, info } = await sharp(await rasterizeSvg(red, 2))
    .raw()
    .toBuffer({ resolveWithObject: true });
  t.deepEqual([info.width, info.height, info.channels], [120, 40, 4]);
  const at = (y: number, x: number) => [...data.subarray((y * 120 + x) * 4, (y * 120 + x) * 4 + 4)];
  t.deepEqual(at(20, 58), [255, 0, 0, 255]);
  t.deepEqual(at(20, 61), [0, 0, 0, 0]);
});

test('text in a drawing is drawn', async (t) => {
  const ink = async (content: string) => {
    const pixels = await sharp(await rasterizeSvg(drawing(content)))
      .raw()
      .toBuffer();
    return pixels.reduce((sum, value) => sum + value, 0);
  };
  t.is(await ink(''), 0);
  t.true((await ink('<text x="2" y="15">λ-warmup</text>')) > (await ink('<text x="2" y="15">λ</text>')));
});
