import test from 'ava';
import { argmax, classScores, countConfusion, worstClasses } from '../../src/inference/confusion.ts';

const CLASSES = ['cat', 'dog', 'frog', 'newt'];

function counted() {
  const { confusion, add } = countConfusion(CLASSES);
  // cat as cat, cat as dog, cat as dog | dog as dog, dog as frog
  add(Float32Array.of(3, 1, 0, 0, 0, 1, 0, 0, -9, -1, -2, -3), Int32Array.of(0, 0, 0));
  add(Float32Array.of(0, 5, 1, 0, 0, 1, 5, 0), Int32Array.of(1, 1));
  return confusion;
}

test('images are counted by class and prediction, over batches', (t) => {
  t.deepEqual(counted().counts, [
    [1, 2, 0, 0],
    [0, 1, 1, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ]);
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
