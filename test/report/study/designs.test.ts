/** Random designs: whatever is on their axes, no run is lost or counted twice. */
import test from 'ava';
import fc from 'fast-check';
import { UserError } from '../../../src/errors.ts';
import { OLD_METRICS } from '../../../src/metrics/info.ts';
import { studyContent } from '../../../src/report/study/content.node.ts';
import { renderStudy } from '../../../src/report/study/page.node.ts';
import { metricsLine } from '../../../src/storage/metrics.ts';
import { expandDesign, parseDesign } from '../../../src/study/design.ts';
import type { CellResult, StudyResults } from '../../../src/study/results.node.ts';
import { testRecord } from '../../storage/_records.ts';

/** The study of a design, each run with an error of its own; `diverges` says which have none. */
function studyFrom(design: object, diverges: (index: number) => boolean = () => false): StudyResults {
  const parsed = parseDesign(design, 'test');
  const { cells, axes } = expandDesign(parsed, 'test');
  return {
    name: 'made-up',
    about: '',
    command: '',
    axes,
    compare: parsed.compare,
    cells: cells.map((cell, i): CellResult => {
      const state = diverges(i) ? 'diverged' : 'done';
      const top1 = 1 - errorOf(i) / 100;
      return {
        ...cell,
        dataset: 'mnist',
        model: cell.config.graph.replace('-mnist', ''),
        architecture: 'vit',
        state,
        message: null,
        infos: OLD_METRICS,
        trainExamples: Math.round(6000 * cell.config.trainFraction),
        warmupSteps: 10 * cell.config.warmupEpochs,
        totalSteps: 100,
        metrics: [metricsLine(testRecord(100, { metrics: { top1 } }))],
        diagnostics: [],
      };
    }),
  };
}

const errorOf = (index: number): number => Number((1 + 0.137 * index).toFixed(3));

/** Setting and condition of each row, its mean and the number of its runs. */
function errorRows(study: StudyResults) {
  const { columns, rows } = studyContent(study).tables.errors;
  const at = (name: string) => columns.findIndex((column) => column.name === name);
  return rows.map((row) => {
    const spread = row[at('final error (%)')];
    return {
      name: `${row[0]} | ${row[1]}`,
      result: typeof spread === 'object' && spread !== null ? `${spread.mean.toFixed(6)} of ${spread.n}` : '',
      runs: String(row[at('runs done')]),
    };
  });
}

const POOL = {
  graph: ['vit-nano-mnist', 'vit-micro-mnist'],
  trainFraction: [0.5, 1],
  batchSize: [16, 32, 64],
  optimizer: ['adamw', 'sgd', 'rmsprop'],
  learningRate: [0.001, 0.003, 1e300],
  momentum: [0, 0.9],
  beta2: [0.99, 0.999],
  labelSmoothing: [0, 0.1],
  schedule: ['cosine', 'constant'],
  warmupEpochs: [0, 1, 2],
  gr: ['none', 'exact', 'fd'],
  grWarmup: ['none', 'zero'],
  lambda: [0.01, 0.1],
  threads: [1, 2],
  data: ['one', 'another'],
  diagnosticsEvery: [0, 2],
  seed: [0, 1, 2],
} as const;

const keys = Object.keys(POOL) as (keyof typeof POOL)[];
const setting = fc
  .uniqueArray(fc.constantFrom(...keys), { maxLength: 3 })
  .chain((chosen) =>
    fc.record(Object.fromEntries(chosen.map((key) => [key, fc.constantFrom<string | number>(...POOL[key])]))),
  );
const listAxis = fc
  .constantFrom(...keys)
  .chain((key) =>
    fc
      .subarray<string | number>([...POOL[key]], { minLength: 1 })
      .map((values): [string, unknown] => [key, values]),
  );
const namedAxis = fc.tuple(
  fc.constantFrom('recipe', 'size', 'when'),
  fc.dictionary(fc.constantFrom('a', 'b', 'on', 'GR + zero-warmup'), setting, { minKeys: 1 }),
);
const axes = fc
  .uniqueArray(fc.oneof({ weight: 3, arbitrary: listAxis }, namedAxis), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 4,
  })
  .map((entries) => Object.fromEntries(entries) as Record<string, unknown[] | Record<string, object>>);
const designs = axes.chain((axes) => {
  const names = (axis: string) => {
    const values = axes[axis] ?? [];
    return Array.isArray(values) ? values.map((value) => value as string | number) : Object.keys(values);
  };
  const grid = fc
    .subarray(Object.keys(axes))
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((axis) => [axis, fc.subarray(names(axis), { minLength: 1 })]))),
    );
  return fc.record({ axes: fc.constant(axes), grids: fc.array(grid, { minLength: 1, maxLength: 3 }) });
});

test('of any design, the number of every run is in the tables exactly once', (t) => {
  fc.assert(
    fc.property(designs, fc.array(fc.boolean(), { maxLength: 12 }), (design, lost) => {
      const diverges = (i: number) => lost[i] === true;
      let study: StudyResults;
      try {
        study = studyFrom(design, diverges);
      } catch (error) {
        // A design may ask for no training run at all.
        if (!(error instanceof UserError)) throw error;
        return;
      }
      const { cells } = study;
      const found = studyContent(study).tables.runs.rows.map((row) => [row[0], row[2]]);
      const made = cells.map(({ id }, i) => [id, diverges(i) ? null : errorOf(i)]);
      t.deepEqual(
        found.map(([id, error]) => [id, typeof error === 'number' ? Number(error.toFixed(3)) : error]),
        made,
      );

      // What belongs together, told without the report: runs that differ in nothing but their seed.
      const expected = new Map<string, number[]>();
      for (const [i, { config }] of cells.entries()) {
        const key = JSON.stringify(Object.entries({ ...config, seed: 0 }).sort());
        expected.set(key, [...(expected.get(key) ?? []), ...(diverges(i) ? [] : [errorOf(i)])]);
      }
      const results = [...expected.values()].map((errors) =>
        errors.length === 0
          ? ''
          : `${(errors.reduce((sum, error) => sum + error, 0) / errors.length).toFixed(6)} of ${errors.length}`,
      );
      const rows = errorRows(study);
      t.deepEqual(rows.map(({ result }) => result).sort(), results.sort());
      t.is(new Set(rows.map(({ name }) => name)).size, rows.length, rows.map(({ name }) => name).join('\n'));
      const counts = rows.map(({ runs }) => Number(/ of (\d+)/.exec(runs)?.[1]));
      t.is(
        counts.reduce((sum, count) => sum + count, 0),
        cells.length,
      );
    }),
    { numRuns: 80 },
  );
});

test('of any design, every figure has a line for each condition with a result, and a file of its own', (t) => {
  fc.assert(
    fc.property(designs, (design) => {
      let study: StudyResults;
      try {
        study = studyFrom(design);
      } catch {
        return;
      }
      const content = studyContent(study);
      const drawn = content.course.flatMap(({ figures }) =>
        figures.filter(({ chart }) => chart.title === 'Test error').flatMap(({ chart }) => chart.lines),
      );
      t.is(drawn.length, errorRows(study).length);
      for (const { figures } of content.course)
        for (const { chart } of figures) {
          const looks = chart.lines.map(({ color, stroke }) => `${color} ${stroke}`);
          t.is(new Set(looks).size, Math.min(looks.length, 25));
        }
    }),
    { numRuns: 40 },
  );
});

for (const [what, design, names] of [
  [
    'a learning rate and seeds',
    { base: { gr: 'none' }, axes: { learningRate: [0.001, 0.003], seed: [0, 1, 2] }, grids: [{}] },
    ['all runs | learningRate = 0.001', 'all runs | learningRate = 0.003'],
  ],
  [
    'two axes under SGD',
    { base: { gr: 'none', optimizer: 'sgd' }, axes: { batchSize: [16, 32], momentum: [0, 0.9] } },
    [
      'batchSize = 16 | momentum = 0',
      'batchSize = 16 | momentum = 0.9',
      'batchSize = 32 | momentum = 0',
      'batchSize = 32 | momentum = 0.9',
    ],
  ],
  [
    'an axis that only one optimizer has',
    { base: { gr: 'none' }, axes: { momentum: [0, 0.9], optimizer: ['adamw', 'sgd'] } },
    [
      'AdamW | optimizer = adamw',
      'SGD · momentum = 0 | optimizer = sgd',
      'SGD · momentum = 0.9 | optimizer = sgd',
    ],
  ],
  [
    'named values, one of which sets more than the regularization',
    {
      axes: {
        lrWarmup: { long: { warmupEpochs: 2 }, short: { warmupEpochs: 1 }, off: { warmupEpochs: 0 } },
        recipe: { plain: { gr: 'none' }, strong: { gr: 'exact', grWarmup: 'none', learningRate: 1e-4 } },
      },
    },
    ['long', 'short', 'off'].flatMap((when) =>
      ['plain', 'strong'].map((name) => `lrWarmup = ${when} | ${name}`),
    ),
  ],
  [
    'strengths that have an effect on some runs only',
    { base: { grWarmup: 'none' }, axes: { gr: ['none', 'exact'], lambda: [0.01, 0.1] } },
    ['all runs | none', 'all runs | GR (λ = 0.01)', 'all runs | GR (λ = 0.1)'],
  ],
  ['one run', { base: { gr: 'none' }, axes: { seed: [7] } }, ['all runs | none']],
  [
    'threads, which change no number',
    { base: { gr: 'none' }, axes: { threads: [1, 2], seed: [0, 1] } },
    ['all runs | threads = 1', 'all runs | threads = 2'],
  ],
] as const) {
  test(`the conditions of a design with ${what} are named by it`, (t) => {
    const study = studyFrom(design);
    t.deepEqual(
      errorRows(study).map(({ name }) => name),
      [...names],
    );
    t.notRegex(renderStudy(studyContent(study)), /NaN|undefined|Infinity/);
  });
}

test('of any design, each comparison is of its own name, and no run is in two pairs of one', (t) => {
  fc.assert(
    fc.property(designs, (design) => {
      let study: StudyResults;
      try {
        study = studyFrom(design);
      } catch {
        return;
      }
      const seeds = new Set(study.cells.map(({ config }) => config.seed)).size;
      for (const { title, comparisons } of studyContent(study).comparisons) {
        const names = comparisons.map(({ name, where }) => `${title} | ${name} | ${where}`);
        t.is(new Set(names).size, names.length, names.join('\n'));
        for (const { interval } of comparisons)
          t.true(interval !== null && interval.n >= 1 && interval.n <= seeds);
      }
    }),
    { numRuns: 60 },
  );
});

/** The comparisons of a design: family, name and place of each. */
function comparisons(design: object): string[] {
  return studyContent(studyFrom(design)).comparisons.flatMap((family) =>
    family.comparisons.map(({ name, where }) => `${family.title}: ${name} | ${where}`),
  );
}

test('a design without regularization compares along each of its three axes', (t) => {
  const axes = {
    weightDecay: [0, 0.1],
    batchSize: [16, 32],
    clip: { on: { clip: 1 }, off: { clip: 0 } },
    seed: [0, 1, 2],
  };
  const compare = [
    { axis: 'weightDecay', of: 0.1, against: 0 },
    { axis: 'batchSize', of: 32, against: 16, where: { clip: ['off'], weightDecay: [0] } },
  ];
  const found = comparisons({ base: { gr: 'none' }, axes, compare });
  t.deepEqual(found.slice(0, 6), [
    'Planned comparisons: weightDecay: 0.1 − 0 | mean of 4 settings',
    'Planned comparisons: batchSize: 32 − 16 | clip = off · weightDecay = 0',
    'Planned comparisons, by setting: weightDecay: 0.1 − 0 | clip = on · batchSize = 16',
    'Planned comparisons, by setting: weightDecay: 0.1 − 0 | clip = off · batchSize = 16',
    'Planned comparisons, by setting: weightDecay: 0.1 − 0 | clip = on · batchSize = 32',
    'Planned comparisons, by setting: weightDecay: 0.1 − 0 | clip = off · batchSize = 32',
  ]);
  t.deepEqual(found.slice(6), [
    'Exploratory: clip, against on: off − on | weightDecay = 0 · batchSize = 16',
    'Exploratory: clip, against on: off − on | weightDecay = 0 · batchSize = 32',
    'Exploratory: clip, against on: off − on | weightDecay = 0.1 · batchSize = 16',
    'Exploratory: clip, against on: off − on | weightDecay = 0.1 · batchSize = 32',
    'Exploratory: batchSize, against 16: batchSize: 32 − 16 | clip = on · weightDecay = 0',
    'Exploratory: batchSize, against 16: batchSize: 32 − 16 | clip = off · weightDecay = 0',
    'Exploratory: batchSize, against 16: batchSize: 32 − 16 | clip = on · weightDecay = 0.1',
    'Exploratory: batchSize, against 16: batchSize: 32 − 16 | clip = off · weightDecay = 0.1',
  ]);
});

test('an axis of four numbers has a line over it for each condition, and one of conditions a single line', (t) => {
  const seeds = { seed: [0, 1] };
  const regularized = studyContent(
    studyFrom({
      axes: {
        labelSmoothing: [0, 0.01, 0.1, 0.2],
        gr: { none: { gr: 'none' }, GR: { gr: 'exact', grWarmup: 'none' } },
        ...seeds,
      },
    }),
  ).axes;
  t.is(regularized.length, 1);
  t.is(regularized[0]?.chart.title, 'Error over labelSmoothing');
  t.deepEqual(
    regularized[0]?.chart.lines.map(({ name, points }) => [name, points.map(({ x }) => x)]),
    // The values span more than a decade and have a 0, so they stand side by side.
    [
      ['none', [0, 1, 2, 3]],
      ['GR', [0, 1, 2, 3]],
    ],
  );
  const plain = studyContent(
    studyFrom({ base: { gr: 'none' }, axes: { clip: [1, 2], learningRate: [0.001, 0.003, 0.01], ...seeds } }),
  ).axes;
  t.deepEqual(
    plain.map(({ subtitle, chart }) => [
      subtitle,
      chart.x?.scale,
      chart.lines.map(({ points }) => points.length),
    ]),
    [
      ['clip = 1', 'log', [3]],
      ['clip = 2', 'log', [3]],
    ],
  );
});

test('one of several axes that make the conditions is compared within the others', (t) => {
  const found = comparisons({
    base: { alpha: 1 },
    axes: { gr: ['none', 'fd'], r: [0.05, 0.5], grWarmup: ['none', 'zero'], seed: [0, 1, 2] },
    compare: [{ axis: 'grWarmup', of: 'zero', against: 'none' }],
  });
  t.deepEqual(found.slice(0, 3), [
    'Planned comparisons: grWarmup: zero − none | mean of 2 settings',
    'Planned comparisons, by setting: grWarmup: zero − none | r = 0.05',
    'Planned comparisons, by setting: grWarmup: zero − none | r = 0.5',
  ]);
});
