import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import test from 'ava';
import { classifierMetrics, metricInfos } from '../../src/metrics/info.ts';
import { EVALUATIONS } from '../../src/storage/metrics.ts';
import { createProgress, type ProgressOptions } from '../../src/terminal/progress.node.ts';
import { REGRESSION, testRecord, trainRecord } from '../storage/_records.ts';

const RUN = { totalSteps: 30, stepsPerEpoch: 10 };

/** A stream that keeps what is written, and a clock set by hand. */
function setUp(options: Partial<ProgressOptions> = {}, terminal?: { columns: number }) {
  const stream = Object.assign(new PassThrough(), terminal ? { isTTY: true, ...terminal } : {});
  const clock = { now: 0 };
  const progress = createProgress({ ...RUN, stream, now: () => clock.now, ...options });
  const output = () => String(stream.read() ?? '');
  return { progress, clock, output };
}

/** What a terminal was made to show: one entry for each time that the bar or a line was drawn. */
function drawn(output: string): string[] {
  // A drawing of the bar starts by going to column 1, and a note ends by saving the cursor's position.
  const lines = output.replaceAll('\x1b[1G', '\n').replaceAll('\x1b7', '').replaceAll('\x1b8', '');
  return stripVTControlCharacters(lines)
    .split(/[\r\n]+/)
    .filter((line) => line !== '');
}

test('without a terminal: a plain line now and then, and at the end of each epoch', (t) => {
  const { progress, clock, output } = setUp({ everySeconds: 4 });
  progress.note('model  vit-ti');
  for (let step = 1; step <= 20; step++) {
    clock.now += 1000;
    progress.step(trainRecord(step));
    if (step === 10) progress.evaluated(testRecord(step));
  }
  progress.stop();
  t.is(
    output(),
    `model  vit-ti
epoch 1/3   1/30  loss 2.000  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s
epoch 1/3   5/30  loss 0.913  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  25s left
epoch 1/3   9/30  loss 0.629  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  21s left
epoch 1/3  10/30  loss 0.586  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  20s left
epoch 1/3  10/30  test loss 0.500  acc 87.50%  top-5 100.00%
epoch 2/3  14/30  loss 0.161  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  16s left
epoch 2/3  18/30  loss 0.142  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  12s left
epoch 2/3  20/30  loss 0.134  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  10s left
`,
  );
});

test('loss and accuracy are means over the epoch so far, and begin anew with the next', (t) => {
  const { progress, output } = setUp({ everySeconds: 0 });
  const batches: [step: number, loss: number, top1: number][] = [
    [9, 4, 0],
    [10, 2, 0.5],
    [11, 1, 0.75],
    [12, 3, 1],
  ];
  for (const [step, loss, top1] of batches) progress.step(trainRecord(step, { loss, metrics: { top1 } }));
  t.deepEqual(output().match(/loss \S+ {2}acc \S+/g), [
    'loss 4.000  acc 0.0%',
    'loss 3.000  acc 25.0%',
    'loss 1.000  acc 75.0%',
    'loss 2.000  acc 87.5%',
  ]);
});

test('five classes or fewer have no top-5', (t) => {
  for (const [classes, shown] of [
    [5, false],
    [6, true],
  ] as const) {
    const { progress, output } = setUp({ metrics: classifierMetrics(classes) });
    progress.evaluated(testRecord(10));
    t.is(output().includes('top-5'), shown);
  }
});

test('an evaluation does not count as a step that took long', (t) => {
  const { progress, clock, output } = setUp({ everySeconds: 0 });
  progress.step(trainRecord(9));
  clock.now = 1000;
  progress.step(trainRecord(10));
  progress.evaluated(testRecord(10));
  clock.now = 61_000;
  progress.step(trainRecord(11));
  clock.now = 62_000;
  progress.step(trainRecord(12));
  t.regex(output(), /12\/30 .* 18s left\n$/);
});

test('an evaluation says what it is of, and whether of the best checkpoint or of averaged weights', (t) => {
  const { progress, output } = setUp();
  for (const split of EVALUATIONS) progress.evaluated(testRecord(10, { split }));
  t.deepEqual(
    output()
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(line.indexOf('/30') + 5, line.indexOf(' loss'))),
    [
      ...['validation', 'test', 'best checkpoint: test'],
      ...['averaged weights: validation', 'averaged weights: test'],
    ],
  );
});

test('without regularization there is no λ, and odd numbers stay short', (t) => {
  const { progress, output } = setUp();
  progress.step(
    trainRecord(1, { lambda: null, loss: Number.NaN, grad_norm: 1.5e-7, examples_per_second: 2.46 }),
  );
  t.is(output(), 'epoch 1/3   1/30  loss NaN  acc 25.0%  ‖g‖ 1.5e-7  2.5 ex/s\n');
});

test('a spike is told of on a line of its own, and the spikes that follow it at once are not', (t) => {
  const { progress, output } = setUp({ totalSteps: 100, stepsPerEpoch: 100, everySeconds: 1e9 });
  progress.step(trainRecord(1));
  output();
  for (let step = 2; step <= 60; step++) {
    const isSpike = [5, 6, 8, 25, 60].includes(step);
    progress.step(trainRecord(step, isSpike ? { grad_norm: 40, gr_grad_norm: null, spike: 26.66 } : {}));
  }
  t.is(
    output(),
    `epoch 1/1    5/100  spike: gradient norm 40.00, 26.7 times its running median
epoch 1/1   60/100  spike: gradient norm 40.00, 26.7 times its running median
`,
  );
  progress.step(trainRecord(90, { gr_grad_norm: 80, spike: 3 }));
  t.regex(output(), /spike: gradient norm 1\.50, regularized 80\.00, 3\.0 times its running median/);
});

test('in a terminal: a bar with everything in 100 columns', (t) => {
  const { progress, clock, output } = setUp({ totalSteps: 58_500, stepsPerEpoch: 195 }, { columns: 140 });
  progress.step(trainRecord(29_249));
  clock.now = 600;
  progress.step(trainRecord(29_250, { loss: 1.23456 }));
  progress.stop();
  const bar = drawn(output()).at(-1) ?? '';
  t.is(
    bar,
    'epoch 150/300  ███░░░  29250/58500  loss 0.617  acc 25.0%  ‖g‖ 1.50  λ 0.100  640 ex/s  4h 52m left',
  );
  t.true(bar.length <= 100);
});

for (const columns of [100, 80, 60, 40]) {
  test(`a terminal of ${columns} columns never wraps`, (t) => {
    const { progress, clock, output } = setUp({ startStep: 10 }, { columns });
    for (let step = 11; step <= 30; step++) {
      clock.now += 1e8;
      progress.step(trainRecord(step, { loss: 1.234e10, grad_norm: 1.234e-10, examples_per_second: 12_345 }));
      progress.note('line');
    }
    progress.stop();
    const lines = drawn(output());
    t.true(lines.some((line) => line.includes('epoch 3/3') && line.includes('loss 1.2e+10')));
    t.deepEqual(
      lines.filter((line) => line.length >= columns),
      [],
    );
  });
}

test('a regression shows its first metric while it trains and all of them where a set was evaluated', (t) => {
  const { progress, output } = setUp({ metrics: REGRESSION });
  progress.step(trainRecord(1, { metrics: { mae: 3.25, rmse: 4, r2: 0.5 } }));
  progress.evaluated(testRecord(10, { metrics: { mae: 0.4123, rmse: 12.3, r2: -0.5 } }));
  t.is(
    output(),
    `epoch 1/3   1/30  loss 2.000  MAE 3.250 k$  ‖g‖ 1.50  λ 0.100  640 ex/s
epoch 1/3  10/30  test loss 0.500  MAE 0.412 k$  RMSE 12.300 k$  R² -0.500
`,
  );
});

test('a task without metrics shows its loss, and a metric that only evaluation measures is not missed', (t) => {
  const none = setUp({ metrics: metricInfos({}) });
  none.progress.step(trainRecord(1, { metrics: {} }));
  none.progress.evaluated(testRecord(10, { metrics: {} }));
  t.is(
    none.output(),
    'epoch 1/3   1/30  loss 2.000  ‖g‖ 1.50  λ 0.100  640 ex/s\nepoch 1/3  10/30  test loss 0.500\n',
  );
  const late = setUp({ metrics: metricInfos({ bleu: { better: 'higher' }, hits: { better: 'higher' } }) });
  late.progress.step(trainRecord(1, { metrics: { hits: 2 } }));
  t.is(late.output(), 'epoch 1/3   1/30  loss 2.000  hits 2.000  ‖g‖ 1.50  λ 0.100  640 ex/s\n');
});

test('a regression in a terminal of 100 columns', (t) => {
  const { progress, clock, output } = setUp(
    { totalSteps: 58_500, stepsPerEpoch: 195, metrics: REGRESSION },
    { columns: 100 },
  );
  progress.step(trainRecord(29_249, { metrics: { mae: 1.5, rmse: 2, r2: 0.25 } }));
  clock.now = 600;
  progress.step(trainRecord(29_250, { metrics: { mae: 0.5, rmse: 2, r2: 0.25 }, lambda: null }));
  progress.stop();
  t.is(
    drawn(output()).at(-1),
    'epoch 150/300  ██████░░░░░  29250/58500  loss 6.8e-5  MAE 1.000 k$  ‖g‖ 1.50  640 ex/s  4h 52m left',
  );
});

test('a note stands on a line of its own, with the bar below it', (t) => {
  const { progress, output } = setUp({}, { columns: 100 });
  progress.step(trainRecord(3));
  output();
  progress.note('checkpoint saved');
  const [first, second, ...more] = drawn(output());
  t.is(first, 'checkpoint saved');
  t.regex(second ?? '', /^epoch 1\/3 .* 3\/30 /);
  t.deepEqual(more, []);
  progress.stop();
});

test('a note cannot steer the terminal', (t) => {
  for (const terminal of [undefined, { columns: 100 }]) {
    const { progress, output } = setUp({}, terminal);
    output();
    progress.note('class \x1b[2Jcat\nerror: none');
    progress.stop();
    t.true(output().includes('class \\u001b[2Jcat\\nerror: none\n'));
  }
});

test('after stop, a note is a plain line', (t) => {
  const { progress, output } = setUp({}, { columns: 100 });
  progress.stop();
  output();
  progress.note('report.html written');
  t.is(output(), 'report.html written\n');
});

const BOLD = '\x1b[1m';

test.serial('NO_COLOR is honoured', (t) => {
  const before = process.env.NO_COLOR;
  const draws = (noColor: string): string => {
    process.env.NO_COLOR = noColor;
    const { progress, output } = setUp({}, { columns: 100 });
    progress.stop();
    return output();
  };
  t.true(draws('').includes(BOLD));
  t.false(draws('1').includes(BOLD));
  if (before === undefined) delete process.env.NO_COLOR;
  else process.env.NO_COLOR = before;
});
