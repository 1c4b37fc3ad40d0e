import test from 'ava';
import { isBetter } from '../../src/run/best.ts';

const best = { top1: 0.9, loss: 0.3, split: 'validation' } as const;

test('the first evaluation is the best so far', (t) => {
  t.true(isBetter({ top1: 0, loss: 9 }, null));
});

test('more accuracy is better whatever the loss, and less is not', (t) => {
  t.true(isBetter({ ...best, top1: 0.91, loss: 2 }, best));
  t.false(isBetter({ ...best, top1: 0.89, loss: 0.1 }, best));
});

test('of equal accuracies the lower loss is better, and an equal loss is not', (t) => {
  t.true(isBetter({ ...best, loss: 0.29 }, best));
  t.false(isBetter(best, best));
  t.false(isBetter({ ...best, loss: 0.31 }, best));
});

test('a best of before losses were kept stays where accuracies are equal', (t) => {
  const old = { top1: 0.9 };
  t.false(isBetter({ top1: 0.9, loss: 0.1, split: 'test' }, old));
  t.true(isBetter({ top1: 0.91, loss: 0.1, split: 'test' }, old));
});

test('an accuracy on other images is no measure', (t) => {
  t.true(isBetter({ top1: 0.5, loss: 1, split: 'validation' }, { top1: 0.9, loss: 0.3, split: 'test' }));
  t.true(isBetter({ top1: 0.5, loss: 1, split: 'validation' }, { top1: 0.9 }));
});
