import test from 'ava';
import {
  argmax,
  type Confusion,
  classScores,
  confusionOf,
  worstClasses,
} from '../../src/inference/confusion.ts';

const CLASSES = ['cat', 'dog', 'frog', 'newt'];

/** cat as cat, cat as dog twice | dog as dog, dog as frog. */
const MATRIX = Float64Array.of(1, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function counted(): Confusion {
  const confusion = confusionOf({ 'confusion/matrix': MATRIX }, CLASSES);
  if (!confusion) throw new Error('test: no confusion matrix');
  return confusion;
}

test('the sums of the metric are rows of labels and columns of predictions', (t) => {
  t.deepEqual(counted().counts, [
    [1, 2, 0, 0],
    [0, 1, 1, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ]);
});

test('there is none without the metric, without class names, or with another number of them', (t) => {
  t.is(confusionOf({ 'top1/right': Float64Array.of(1) }, CLASSES), undefined);
  t.is(confusionOf({ 'confusion/matrix': MATRIX }, ['cat', 'dog']), undefined);
  t.is(confusionOf({ 'confusion/matrix': new Float64Array() }, []), undefined);
});

test('the prediction is the largest logit also where all are negative, and the first of equals', (t) => {
  t.is(argmax(Float32Array.of(-5, -1, -3)), 1);
  t.is(argmax(Float32Array.of(2, 7, 7)), 1);
  t.is(argmax(Float32Array.of(Number.NaN, Number.NaN)), 0);
});

test('a class has its accuracy and its mistakes, most often first', (t) => {
  const [cat, dog, frog] = classScores(counted());
  t.deepEqual(cat, { name: 'cat', images: 3, accuracy: 1 / 3, mistakes: [{ name: 'dog', count: 2 }] });
  t.deepEqual(dog, { name: 'dog', images: 2, accuracy: 1 / 2, mistakes: [{ name: 'frog', count: 1 }] });
  t.deepEqual(frog, { name: 'frog', images: 0, accuracy: Number.NaN, mistakes: [] });
});

test('the worst classes come first, without those that have no image', (t) => {
  const names = (limit: number) => worstClasses(classScores(counted()), limit).map(({ name }) => name);
  t.deepEqual(names(9), ['cat', 'dog']);
  t.deepEqual(names(1), ['cat']);
});
