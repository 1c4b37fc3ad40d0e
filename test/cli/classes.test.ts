import test from 'ava';
import { classLines } from '../../src/cli/classes.ts';

test('each class with what it is taken for, then the matrix', (t) => {
  const counts = [
    [980, 12, 8],
    [0, 5, 0],
    [0, 0, 0],
  ];
  t.deepEqual(classLines({ classes: ['cat', 'dog', 'newt'], counts }), [
    '',
    'class  images  accuracy  most often taken for',
    'cat     1,000    98.00%  dog ×12, newt ×8',
    'dog         5   100.00%',
    'newt        0',
    '',
    'confusion matrix: a row for each class, a column for what its images were taken for',
    '         0   1   2',
    '0 cat  980  12   8',
    '1 dog    ·   5   ·',
    '2 newt   ·   ·   ·',
  ]);
});

test('of many classes the worst are listed, and a matrix that does not fit is left out', (t) => {
  const classes = Array.from({ length: 100 }, (_, i) => `class ${i}`);
  const counts = classes.map((_, label) =>
    classes.map((_, i) => (i === label ? label : i === 0 ? 100 - label : 0)),
  );
  const lines = classLines({ classes, counts });
  t.is(lines.length, 2 + 1 + 20);
  t.is(lines[1], 'the 20 of 100 classes with the lowest accuracy:');
  t.regex(lines[3] ?? '', /^class 1 +100 +1\.00% +class 0 ×99$/);
});

test('names from a file do not steer the terminal, nor widen the table', (t) => {
  const lines = classLines({
    classes: ['\x1b[2J\ncat', 'x'.repeat(1000)],
    counts: [
      [0, 1],
      [1, 0],
    ],
  });
  t.true(lines.some((line) => line.startsWith('\\u001b[2J\\ncat ')));
  t.true(lines.every((line) => line.length <= 100 && !line.includes('\x1b')));
});
