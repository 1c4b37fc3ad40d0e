import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { parseComparison } from '../../src/study/compare.ts';
import { expandDesign, parseDesign } from '../../src/study/design.ts';

const DESIGN = {
  axes: {
    gr: {
      none: { gr: 'none' },
      GR: { gr: 'exact', lambda: 0.1 },
      'GR - mild': { gr: 'exact', lambda: 0.01 },
    },
    learningRate: [0.001, 0.003],
    seed: [0, 1],
  },
};
const { axes } = expandDesign(parseDesign({ base: { grWarmup: 'none' }, ...DESIGN }, 'test'), 'test');

const parse = (text: string) => parseComparison(text, axes, '--compare');

test('a comparison on the command line names an axis and two of its values', (t) => {
  t.deepEqual(parse('gr: GR - none'), { axis: 'gr', of: 'GR', against: 'none', where: {} });
  t.deepEqual(parse(' learningRate : 0.003 − 0.001 '), {
    axis: 'learningRate',
    of: '0.003',
    against: '0.001',
    where: {},
  });
});

test('a value may have a minus in its name', (t) => {
  t.deepEqual(parse('gr: GR - mild - none'), { axis: 'gr', of: 'GR - mild', against: 'none', where: {} });
  t.deepEqual(parse('gr: none - GR - mild'), { axis: 'gr', of: 'none', against: 'GR - mild', where: {} });
});

for (const [text, message] of [
  ['GR - none', /^--compare: expected AXIS: VALUE - VALUE, .* got "GR - none"$/],
  ['gr: GR-none', /^--compare: expected AXIS: VALUE - VALUE/],
  [
    'lr: GR - none',
    /^--compare: axis: "lr": no such axis; did you mean gr\? Expected one of gr, learningRate, seed$/,
  ],
  [
    'gr: GR - nine',
    /^--compare: against: "nine": no such value; did you mean none\? Expected one of none, GR, GR - mild$/,
  ],
  ['gr: Gr - mild - GR', /^--compare: of: "Gr": no such value; did you mean GR\?/],
] as const)
  test(`“${text}” is refused in one line`, (t) => {
    t.throws(() => parse(text), { instanceOf: UserError, message });
  });

test('values of a design may be numbers, as they stand on the axis', (t) => {
  const compare = [{ axis: 'learningRate', of: 0.003, against: 0.001 }];
  t.deepEqual(parseDesign({ ...DESIGN, compare }, 'test').compare, [
    { axis: 'learningRate', of: '0.003', against: '0.001', where: {} },
  ]);
});
