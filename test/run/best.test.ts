import test from 'ava';
import { asBest, isBetter } from '../../src/run/best.ts';
import { testRecord } from '../storage/_records.ts';

const first = { metric: 'top1', better: 'higher', loss: 9, split: 'test' } as const;
const best = { ...first, value: 0.9, loss: 0.3, split: 'validation' } as const;

test('the first evaluation is the best so far', (t) => {
  t.true(isBetter({ ...first, value: 0 }, null));
});

test('more accuracy is better whatever the loss, and less is not', (t) => {
  t.true(isBetter({ ...best, value: 0.91, loss: 2 }, best));
  t.false(isBetter({ ...best, value: 0.89, loss: 0.1 }, best));
});

test('of equal accuracies the lower loss is better, and an equal loss is not', (t) => {
  t.true(isBetter({ ...best, loss: 0.29 }, best));
  t.false(isBetter(best, best));
  t.false(isBetter({ ...best, loss: 0.31 }, best));
});

test('a best of before losses were kept stays where accuracies are equal', (t) => {
  const { loss: _, ...old } = { ...first, value: 0.9 };
  t.false(isBetter({ ...first, value: 0.9, loss: 0.1 }, old));
  t.true(isBetter({ ...first, value: 0.91, loss: 0.1 }, old));
});

test('a value on other data, or of another metric, is no measure', (t) => {
  t.true(isBetter({ ...first, value: 0.5, split: 'validation' }, { ...first, value: 0.9 }));
  t.true(isBetter({ ...first, metric: 'mae', better: 'lower', value: 5 }, { ...first, value: 0.9 }));
});

test('where less is better less wins, and a tie is broken by the lower loss', (t) => {
  const mae = { metric: 'mae', better: 'lower', value: 0.41, loss: 0.3, split: 'test' } as const;
  t.true(isBetter({ ...mae, value: 0.4, loss: 1 }, mae));
  t.false(isBetter({ ...mae, value: 0.42, loss: 0.1 }, mae));
  t.true(isBetter({ ...mae, loss: 0.2 }, mae));
  t.false(isBetter(mae, mae));
});

test('without a metric the loss alone decides', (t) => {
  const before = { loss: 0.3, split: 'test' } as const;
  t.true(isBetter({ ...before, loss: 0.29 }, before));
  t.false(isBetter(before, before));
  t.false(isBetter({ split: 'test' }, before));
  t.true(isBetter(before, { split: 'test' }));
});

test('an evaluation is a candidate by the metric that judges; a value that is not finite loses to any', (t) => {
  const r2 = { name: 'r2', better: 'higher' } as const;
  const at = { step: 10, split: 'test' } as const;
  const flat = asBest(r2, testRecord(10, { metrics: { r2: Number.NEGATIVE_INFINITY } }), at);
  t.deepEqual(flat, { metric: 'r2', better: 'higher', loss: 0.5, step: 10, split: 'test' });
  const poor = asBest(r2, testRecord(20, { loss: 7, metrics: { r2: -40 } }), { ...at, step: 20 });
  t.deepEqual(poor, { metric: 'r2', better: 'higher', value: -40, loss: 7, step: 20, split: 'test' });
  t.true(isBetter(poor, flat));
  t.false(isBetter(flat, poor));
  t.deepEqual(asBest({ name: 'loss', better: 'lower' }, testRecord(10), at), {
    loss: 0.5,
    step: 10,
    split: 'test',
  });
});
