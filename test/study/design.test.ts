import test from 'ava';
import { UserError } from '../../src/errors.ts';
import { expandDesign, parseDesign } from '../../src/study/design.ts';
import { PRESETS } from '../../src/study/presets.ts';
import { withRecipes } from '../../src/study/recipes.node.ts';

const expand = (json: unknown) => expandDesign(parseDesign(json, 'my.json'), 'my.json');
const ids = (json: unknown): string[] => expand(json).cells.map(({ id }) => id.replace(/-[0-9a-f]{6}$/, ''));

const DESIGN = {
  base: { epochs: 3, alpha: 1 },
  axes: {
    lrWarmup: { on: { warmupEpochs: 1 }, off: { warmupEpochs: 0 } },
    gr: {
      none: { gr: 'none' },
      GR: { gr: 'fd', r: 0.1, grWarmup: 'none' },
      zero: { gr: 'fd', r: 0.1, grWarmup: 'zero' },
    },
    seed: [0, 1],
  },
};

test('a study is all combinations of its axes that are training runs, by seed', (t) => {
  t.deepEqual(ids(DESIGN), [
    'vit-micro-mnist-adamw-warmup-none-s0',
    'vit-micro-mnist-adamw-warmup-fd-s0',
    'vit-micro-mnist-adamw-warmup-fd-zero-s0',
    'vit-micro-mnist-adamw-nowarmup-none-s0',
    'vit-micro-mnist-adamw-nowarmup-fd-s0',
    'vit-micro-mnist-adamw-warmup-none-s1',
    'vit-micro-mnist-adamw-warmup-fd-s1',
    'vit-micro-mnist-adamw-warmup-fd-zero-s1',
    'vit-micro-mnist-adamw-nowarmup-none-s1',
    'vit-micro-mnist-adamw-nowarmup-fd-s1',
  ]);
});

test('what is no training run is left out, and counted by the reason', (t) => {
  const [[reason, count] = []] = expand(DESIGN).leftOut;
  t.is(count, 2);
  t.regex(reason ?? '', /--gr-warmup zero: there is no warmup/);
});

test('grids choose values of axes, and a cell that several ask for is there once', (t) => {
  const grids = [
    { lrWarmup: ['on'], gr: ['none', 'GR'], seed: [0] },
    { gr: ['none'], seed: [0] },
  ];
  t.deepEqual(ids({ ...DESIGN, grids }), [
    'vit-micro-mnist-adamw-warmup-none-s0',
    'vit-micro-mnist-adamw-warmup-fd-s0',
    'vit-micro-mnist-adamw-nowarmup-none-s0',
  ]);
});

test('an axis over what has no effect makes one cell, not several of the same', (t) => {
  const axes = { gr: ['none', 'exact'], lambda: [0.01, 0.1] };
  const { cells } = expand({ base: { grWarmup: 'none' }, axes });
  t.deepEqual(
    cells.map(({ config }) => [config.gr, config.gr === 'none' ? undefined : config.lambda]),
    [
      ['none', undefined],
      ['exact', 0.01],
      ['exact', 0.1],
    ],
  );
});

test('a cell has the names of its values on the axes that make a difference to it', (t) => {
  const axes = {
    gr: { plain: { gr: 'none' }, strong: { gr: 'exact', lambda: 1 } },
    lambda: [0.01, 0.1],
    momentum: [0, 0.9],
    when: { default: {}, late: { evalEvery: 2 } },
  };
  const { cells, axes: told } = expand({ base: { grWarmup: 'none' }, axes });
  t.deepEqual(
    cells.map(({ values }) => values),
    [
      { gr: 'plain', when: 'default' },
      { gr: 'plain', when: 'late' },
      { gr: 'strong', lambda: '0.01', when: 'default' },
      { gr: 'strong', lambda: '0.01', when: 'late' },
      { gr: 'strong', lambda: '0.1', when: 'default' },
      { gr: 'strong', lambda: '0.1', when: 'late' },
    ],
  );
  t.deepEqual(told[0], {
    name: 'gr',
    options: ['gr', 'lambda'],
    values: ['plain', 'strong'],
    hasNames: true,
  });
  t.deepEqual(told[1], {
    name: 'lambda',
    options: ['lambda'],
    values: ['0.01', '0.1'],
    hasNames: false,
  });
});

test('an axis over what changes no number still makes a cell of each value', (t) => {
  t.is(expand({ axes: { threads: [1, 2], data: ['a', 'b'] } }).cells.length, 4);
});

test('the id changes with what enters the computation and with nothing else', (t) => {
  const id = (base: object) => expand({ base, axes: { seed: [0] } }).cells[0]?.id;
  t.is(id({ threads: 1, data: 'a', keep: 1 }), id({ threads: 2, data: 'b', keep: 5 }));
  t.not(id({ weightDecay: 0.1 }), id({ weightDecay: 0.2 }));
});

for (const [what, design, message] of [
  [
    'an option that is none',
    { base: { epoch: 3 }, axes: {} },
    /^my\.json: base: epoch: unknown option; did you mean epochs\?/,
  ],
  [
    'a value that does not fit',
    { axes: { seed: [0, -1] } },
    /^my\.json: axes\.seed\.-1: seed: expected an integer/,
  ],
  [
    'an axis over nothing',
    { axes: { optimiser: ['sgd'] } },
    /axes\.optimiser\.sgd: optimiser: unknown option; did you mean optimizer\?/,
  ],
  [
    'a grid of an unknown axis',
    { ...DESIGN, grids: [{ warmup: ['on'] }] },
    /grids\.0: warmup: no such axis; did you mean lrWarmup\?.* lrWarmup, gr, seed/,
  ],
  [
    'a grid of an unknown value',
    { ...DESIGN, grids: [{ gr: ['sero'] }] },
    /grids\.0\.gr: "sero": no such value; did you mean zero\?/,
  ],
  [
    'a comparison along an unknown axis',
    { ...DESIGN, compare: [{ axis: 'GR', of: 'GR', against: 'none' }] },
    /^my\.json: compare\.0: axis: "GR": no such axis; did you mean gr\? Expected one of lrWarmup, gr, seed$/,
  ],
  [
    'a comparison with an unknown value',
    { ...DESIGN, compare: [{ axis: 'gr', of: 'zero', against: 'nine' }] },
    /^my\.json: compare\.0: against: "nine": no such value; did you mean none\? Expected one of none, GR, zero$/,
  ],
  [
    'a comparison of a value with itself',
    { ...DESIGN, compare: [{ axis: 'gr', of: 'GR', against: 'GR' }] },
    /compare\.0: against: expected another value than "GR"/,
  ],
  [
    'a comparison of seeds',
    { ...DESIGN, compare: [{ axis: 'seed', of: 1, against: 0 }] },
    /compare\.0: axis: "seed" only sets the seed, by which runs are paired/,
  ],
  [
    'a comparison where the axis itself is fixed',
    { ...DESIGN, compare: [{ axis: 'gr', of: 'GR', against: 'none', where: { gr: ['GR'] } }] },
    /compare\.0: where: "gr" is the axis that is compared/,
  ],
  [
    'a comparison where an unknown value is fixed',
    { ...DESIGN, compare: [{ axis: 'gr', of: 'GR', against: 'none', where: { lrWarmup: ['onn'] } }] },
    /compare\.0: where\.lrWarmup: "onn": no such value; did you mean on\?/,
  ],
  ['what belongs to the study', { base: { out: 'x' }, axes: {} }, /base: out: has no meaning in a study/],
  ['no axes', { base: {} }, /^my\.json: axes: expected/],
  ['another key', { axes: {}, grid: [] }, /^my\.json: grid: no such key; did you mean grids\?/],
  [
    'nothing that runs',
    { base: { warmupEpochs: 0 }, axes: { grWarmup: ['zero'] } },
    /no combination of its axes is a training run: --gr-warmup zero/,
  ],
] as const) {
  test(`a design with ${what} is refused, with its place`, (t) => {
    t.throws(() => expand(design), { instanceOf: UserError, message });
  });
}

test('a recipe is an option of the base and of values, whose own options win', async (t) => {
  const design = parseDesign(
    {
      base: { recipe: 'gnp-vit', epochs: 50 },
      axes: {
        kind: { vit: {}, cnn: { recipe: 'gnp-cnn', alpha: 0.5 } },
        gr: { none: { gr: 'none' }, GR: {} },
        warmupEpochs: [0, 10],
      },
    },
    'my.json',
  );
  const { cells, axes, leftOut } = expandDesign(await withRecipes(design, 'my.json'), 'my.json');
  t.deepEqual([cells.length, leftOut.size], [8, 0]);
  const find = (values: object) =>
    cells.find((cell) => Object.entries(values).every(([axis, name]) => cell.values[axis] === name))?.config;
  t.like(find({ kind: 'vit', gr: 'GR', warmupEpochs: '10' }), {
    ...{
      graph: 'vit-s-gnp-cifar10',
      epochs: 50,
      weightDecay: 0.3,
      decayAll: true,
      grWarmup: 'zero',
      alpha: 1,
    },
  });
  t.like(find({ kind: 'vit', gr: 'GR', warmupEpochs: '0' }), { grWarmup: 'none', mix: 'normalized' });
  t.like(find({ kind: 'cnn', gr: 'GR', warmupEpochs: '0' }), {
    ...{ graph: 'wrn-28-10-cifar10', optimizer: 'sgd', weightDecayIn: 'loss', alpha: 0.5, r: 0.1 },
  });
  t.like(find({ kind: 'cnn', gr: 'none', warmupEpochs: '0' }), { gr: 'none', r: undefined, nesterov: true });
  t.true(axes.find(({ name }) => name === 'kind')?.options.includes('optimizer'));
  // The study's file holds what it needs.
  const kept = parseDesign(JSON.parse(JSON.stringify(await withRecipes(design, 'my.json'))), 'study.json');
  t.deepEqual(expandDesign(kept, 'study.json').cells, cells);
  t.is(await withRecipes(kept, 'study.json'), kept);
});

for (const [what, design, message] of [
  [
    'a recipe that is none',
    { base: { recipe: 'gnp-vits' }, axes: {} },
    'my.json: base.recipe: expected one of gnp-vit, gnp-cnn, or a JSON file of options, got "gnp-vits"; did you mean gnp-vit?',
  ],
  [
    'a recipe that is a number',
    { axes: { recipe: [3] } },
    'my.json: axes.recipe.3: recipe: expected one of gnp-vit, gnp-cnn, or a JSON file of options, got 3',
  ],
  [
    'a recipe of its own with an unknown option',
    { recipes: { mine: { epoch: 3 } }, base: { recipe: 'mine' }, axes: {} },
    'my.json: recipes.mine: epoch: unknown option; did you mean epochs?',
  ],
] as const) {
  test(`a design with ${what} is refused in one line`, async (t) => {
    const made = async () => withRecipes(parseDesign(design, 'my.json'), 'my.json');
    await t.throwsAsync(made(), { instanceOf: UserError, message });
  });
}

test('the preset alternatives has every condition at each learning rate and seed', (t) => {
  const { cells, leftOut } = expand(PRESETS.alternatives);
  t.deepEqual([cells.length, leftOut.size], [2 * 14 * 8, 0]);
  t.is(new Set(cells.map(({ values }) => `${values.learningRate} ${values.alternative}`)).size, 28);
  const of = (name: string) => cells.filter(({ values }) => values.alternative === name);
  for (const [name, options] of Object.entries(PRESETS.alternatives.axes.alternative)) {
    t.is(of(name).length, 16, name);
    for (const { config } of of(name)) t.like(config, options);
  }
  t.like(of('LookSAM')[0]?.config, { gr: 'looksam', r: 1, alpha: 0.7, looksamEvery: 5 });
  t.like(of('ASAM')[0]?.config, { r: 0.5, optimizer: 'adamw', clip: 5, weightDecay: 0.3 });
});

for (const name of ['quick', 'cpu', 'paper'] as const) {
  test(`the preset ${name} has the three experiments, a control and several seeds`, (t) => {
    const { cells, leftOut } = expand(PRESETS[name]);
    const values = (of: (config: (typeof cells)[number]['config']) => unknown) =>
      new Set(cells.map(({ config }) => of(config)));
    t.deepEqual(
      values((config) => config.optimizer),
      new Set(['adamw', 'sgd']),
    );
    t.deepEqual(
      values((config) => config.warmupEpochs > 0),
      new Set([true, false]),
    );
    t.deepEqual(
      values((config) => config.grWarmup),
      new Set(['none', 'lambda', 'r', 'zero']),
    );
    t.true(values((config) => config.graph).size > 1);
    t.true(values((config) => config.trainFraction).size > 1);
    t.true(values((config) => config.seed).size >= (name === 'quick' ? 2 : 3));
    t.true([...leftOut.keys()].every((reason) => reason.includes('there is no warmup')));
  });
}

for (const name of ['text', 'table'] as const) {
  test(`the preset ${name} has every condition where there is warmup, five seeds or more, and its comparisons`, (t) => {
    const { cells } = expand(PRESETS[name]);
    const seeds = new Set(cells.map(({ config }) => config.seed)).size;
    t.true(seeds >= 5);
    // Two models; five conditions with LR warmup, and two without.
    t.is(cells.length, 2 * 7 * seeds);
    t.is(new Set(cells.map(({ config }) => config.graph)).size, 2);
    const compare = parseDesign(PRESETS[name], 'test').compare;
    for (const { of, against, where } of compare)
      for (const value of [of, against])
        t.true(
          cells.some(({ values }) => values.gr === value && where.lrWarmup?.includes(values.lrWarmup ?? '')),
        );
  });
}
