import { readFileSync } from 'node:fs';
import test from 'ava';
import { gpuLines, gpuSeconds, MEASURED, referenceOf } from '../../src/study/gpu-time.node.ts';
import { gradientFlopsOf } from '../../src/study/plan.node.ts';
import { plannedCells, smallDesign } from './_study.ts';

const [ti, s] = MEASURED.networks.map((network, i) => ({ ...network, gradientFlops: i === 0 ? 1e9 : 4e9 }));

async function cellOf(given: object) {
  const [, zero] = await plannedCells(smallDesign().design);
  if (!zero) throw new Error('test: no cell');
  return { ...zero, gradientFlops: 1e9, ...given };
}

test('the steps of a run are as many measured ones, in proportion to batch and arithmetic', async (t) => {
  const zero = await cellOf({});
  if (!ti || !s) return t.fail();
  // 24 steps of a batch of 16: 8 without regularization, then 16 of `fd`.
  t.is(zero.regularizedSteps, 16);
  const { webgpu, pytorch } = gpuSeconds(zero, ti);
  t.true(Math.abs(webgpu - ((16 / 128) * (8 * 137 + 16 * 188)) / 1000) < 1e-12);
  t.true(Math.abs(pytorch - ((16 / 128) * (8 * 27.7 + 16 * 62.6)) / 1000) < 1e-12);
  const larger = gpuSeconds({ ...zero, gradientFlops: 16e9 }, s);
  t.true(Math.abs(larger.webgpu - (4 * (16 / 128) * (8 * 261 + 16 * 395)) / 1000) < 1e-12);
});

test('a network is taken as the measured one of the nearest arithmetic, and much smaller ones are not told', async (t) => {
  if (!ti || !s) return t.fail();
  const reference = async (gradientFlops: number) =>
    referenceOf(await cellOf({ gradientFlops }), [ti, s])?.graph;
  t.is(await reference(1.5e9), 'vit-ti-cifar10');
  t.is(await reference(2.5e9), 'vit-s-cifar10');
  t.is(await reference(50e9), 'vit-s-cifar10');
  t.is(await reference(0.4e9), undefined);
  t.deepEqual(await gpuLines([await cellOf({ gradientFlops: 1e6 })]), []);
});

test('the lines say what was assumed: the card, the steps, and the networks that were scaled', async (t) => {
  const small = await gradientFlopsOf('vit-s-cifar10');
  const cells = [
    await cellOf({ gradientFlops: small, model: 'vit-s', totalSteps: 128_000, regularizedSteps: 0 }),
    await cellOf({ gradientFlops: 4 * small, model: 'vit-b', totalSteps: 0, regularizedSteps: 0 }),
  ];
  const [times, assumed] = await gpuLines(cells);
  // 128,000 steps of 16 images are 16,000 of 128, of 261 and 38.1 ms.
  t.regex(
    times ?? '',
    /^on one NVIDIA H100 80GB, one run after the other: about 1h 09m through --device webgpu, and about 10m 10s with/,
  );
  t.regex(
    assumed ?? '',
    /vit-ti-cifar10 137 ms \(fd 188, exact 414\) for a batch of 128; vit-s-cifar10 261 ms/,
  );
  t.regex(assumed ?? '', /taken as vit-b = 4 × vit-s-cifar10, by the arithmetic/);
});

test('the measured steps are those of BENCHMARKS.md', (t) => {
  const text = readFileSync('BENCHMARKS.md', 'utf8');
  for (const { graph, webgpu, pytorch } of MEASURED.networks)
    for (const kind of ['none', 'fd', 'exact'] as const) {
      const [, here, peer] =
        new RegExp(`^\\| ${graph} +\\| ${kind} +\\| +([\\d.]+) \\([\\d.]+\\) \\| +([\\d.]+) `, 'm').exec(
          text,
        ) ?? [];
      t.deepEqual([Number(here), Number(peer)], [webgpu[kind], pytorch[kind]], `${graph} ${kind}`);
    }
});
