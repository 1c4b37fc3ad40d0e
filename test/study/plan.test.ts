import test from 'ava';
import { plannedCells, smallDesign } from './_study.ts';

test('a cell is planned with its images, steps and arithmetic', async (t) => {
  const { design } = smallDesign();
  const [none, zero] = await plannedCells(design);
  t.like(none, { dataset: 'cifar10', model: 'tiny', trainExamples: 64, totalSteps: 24 });
  // Without regularization 24 gradients; with zero-warmup 8, and then two in each of 16 steps.
  t.is(none?.flops, 24 * 16 * (none?.gradientFlops ?? 0));
  t.is(zero?.flops, (8 + 2 * 16) * 16 * (zero?.gradientFlops ?? 0));
});

test('LookSAM takes a second gradient at every k-th step only', async (t) => {
  const { design } = smallDesign();
  const gr = { LookSAM: { gr: 'looksam', grWarmup: 'zero' } };
  const cells = await plannedCells({ ...design, axes: { gr, looksamEvery: [1, 4], seed: [0] } });
  const gradients = cells.map(({ flops, gradientFlops }) => flops / (16 * gradientFlops));
  // Of 24 steps 8 are warmup, and of the other 16 every one or four are perturbed.
  t.deepEqual(gradients, [8 + 2 * 16, 8 + 16 + 4]);
});

test('images held out for validation are not trained on', async (t) => {
  const { design } = smallDesign();
  const [cell] = await plannedCells({ ...design, axes: { validation: [0.25], seed: [0] } });
  t.like(cell, { trainExamples: 48, totalSteps: 18 });
  t.is(cell?.config.validation, 0.25);
});

test('a dataset that is not there counts as a whole where only the time is asked for', async (t) => {
  const { expandDesign, parseDesign } = await import('../../src/study/design.ts');
  const { planCells } = await import('../../src/study/plan.node.ts');
  const design = parseDesign(
    { base: { graph: 'vit-micro-cifar10', trainFraction: 0.5 }, axes: { validation: [0.1], seed: [0] } },
    'test',
  );
  const { cells } = expandDesign(design, 'test');
  const [cell] = await planCells(cells, { data: undefined, officialSizes: true });
  t.is(cell?.trainExamples, 22_500);
  await t.throwsAsync(planCells(cells, { data: undefined }), { message: /cifar10: no folder was given/ });
});
