import test from 'ava';
import { floats, ints } from '../_files.ts';
import { expectLowered } from './_lowered.ts';

const x = [2, 3, 5, 6];

test('convolutions of one, two and three axes', async (t) => {
  await expectLowered(t, [
    { op: 'Conv', inputs: [x, [4, 3, 3, 2], [4]], attributes: { pads: [1, 0, 2, 1], strides: [2, 1] } },
    {
      op: 'Conv',
      inputs: [
        [2, 4, 6, 6],
        [4, 2, 3, 3],
      ],
      attributes: { group: 2, dilations: [2, 1], pads: [1, 1, 1, 1] },
    },
    {
      op: 'Conv',
      inputs: [
        [2, 4, 5, 5],
        [4, 1, 3, 3],
      ],
      attributes: { group: 4, auto_pad: 'SAME_LOWER', strides: [2, 2] },
    },
    { op: 'Conv', inputs: [[2, 3, 7], [4, 3, 3], [4]], attributes: { auto_pad: 'SAME_UPPER', strides: [2] } },
    {
      op: 'Conv',
      inputs: [
        [2, 2, 4, 3, 4],
        [3, 2, 2, 2, 2],
      ],
      attributes: { pads: [1, 0, 0, 0, 1, 0], strides: [2, 1, 1] },
    },
  ]);
});

test('transposed convolutions', async (t) => {
  await expectLowered(t, [
    {
      op: 'ConvTranspose',
      inputs: [[2, 4, 3, 3], [4, 2, 3, 3], [2]],
      attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
    },
    {
      op: 'ConvTranspose',
      inputs: [
        [2, 4, 3, 3],
        [4, 1, 2, 3],
      ],
      attributes: { group: 2, strides: [1, 2], dilations: [2, 1], pads: [0, 1, 1, 0] },
    },
    {
      op: 'ConvTranspose',
      inputs: [
        [2, 2, 3, 3],
        [2, 2, 3, 3],
      ],
      attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
    },
    {
      op: 'ConvTranspose',
      inputs: [
        [2, 2, 4],
        [2, 3, 3],
      ],
      attributes: { strides: [3] },
    },
    {
      op: 'ConvTranspose',
      inputs: [
        [2, 2, 2, 3, 2],
        [2, 1, 2, 2, 2],
      ],
      attributes: { strides: [2, 1, 2] },
    },
  ]);
});

test('pools', async (t) => {
  const square = { kernel_shape: [2, 3] };
  await expectLowered(t, [
    {
      op: 'MaxPool',
      inputs: [x],
      attributes: { ...square, pads: [1, 1, 0, 1], strides: [2, 2] },
      isSmooth: false,
    },
    {
      op: 'MaxPool',
      inputs: [x],
      attributes: { ...square, ceil_mode: 1, strides: [2, 2], dilations: [2, 1] },
      isSmooth: false,
    },
    { op: 'AveragePool', inputs: [x], attributes: { ...square, pads: [1, 1, 0, 1], strides: [2, 2] } },
    { op: 'AveragePool', inputs: [x], attributes: { ...square, pads: [1, 1, 1, 1], count_include_pad: 1 } },
    { op: 'AveragePool', inputs: [[2, 3, 7]], attributes: { kernel_shape: [3], strides: [2], ceil_mode: 1 } },
    {
      op: 'AveragePool',
      inputs: [[2, 2, 4, 5, 4]],
      attributes: { kernel_shape: [2, 2, 3], strides: [2, 1, 1] },
    },
    { op: 'LpPool', inputs: [x], attributes: { ...square, p: 2 }, range: [0.5, 1.5] },
    { op: 'GlobalAveragePool', inputs: [x] },
    { op: 'GlobalMaxPool', inputs: [x], isSmooth: false },
    { op: 'GlobalLpPool', inputs: [x], attributes: { p: 3 }, range: [0.5, 1.5] },
  ]);
});

test('Resize in all its modes', async (t) => {
  const scales = floats('scales', [4], [1, 1, 2, 1.5]);
  const sizes = ints('sizes', 2, 3, 3, 9);
  const places = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'half_pixel_symmetric'];
  await expectLowered(t, [
    ...places.slice(0, 4).map((mode) => ({
      op: 'Resize',
      inputs: [x, '', scales] as const,
      attributes: { mode: 'linear', coordinate_transformation_mode: mode },
      isSmooth: mode === 'half_pixel',
    })),
    {
      op: 'Resize',
      inputs: [x, '', scales],
      attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    },
    { op: 'Resize', inputs: [x, '', '', sizes], attributes: { mode: 'nearest' }, isSmooth: false },
    { op: 'Resize', inputs: [x, '', '', sizes], attributes: { mode: 'cubic' } },
    {
      op: 'Resize',
      inputs: [x, '', '', sizes],
      attributes: { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: { float: -0.5 } },
      isSmooth: false,
    },
    {
      op: 'Resize',
      inputs: [x, '', '', ints('small', 2, 3, 2, 4)],
      attributes: { mode: 'linear', antialias: 1 },
    },
  ]);
});

test('pads, tiles, blocks of pixels and triangles', async (t) => {
  const pads = ints('pads', 0, 0, 1, 2, 0, 0, 2, -1);
  await expectLowered(t, [
    { op: 'Pad', inputs: [x, pads] },
    { op: 'Pad', inputs: [x, pads, floats('value', [], [0.5])] },
    { op: 'Pad', inputs: [x, pads], attributes: { mode: 'reflect' } },
    { op: 'Pad', inputs: [x, ints('more', 0, 0, 1, 2, 0, 0, 2, 1)], attributes: { mode: 'edge' } },
    { op: 'Tile', inputs: [x, ints('repeats', 1, 2, 1, 3)] },
    { op: 'DepthToSpace', inputs: [[2, 8, 2, 3]], attributes: { blocksize: 2, mode: 'CRD' } },
    { op: 'DepthToSpace', inputs: [[2, 8, 2, 3]], attributes: { blocksize: 2 } },
    { op: 'SpaceToDepth', inputs: [[2, 2, 4, 6]], attributes: { blocksize: 2 } },
    { op: 'Trilu', inputs: [x], attributes: { upper: 0 } },
    { op: 'Expand', inputs: [[2, 1, 4], ints('shape', 1, 3, 4)] },
  ]);
});
