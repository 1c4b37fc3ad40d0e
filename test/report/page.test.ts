import test from 'ava';
import { parseHTML } from 'linkedom';
import { metricInfos } from '../../src/metrics/info.ts';
import { type ReportInput, renderReport, type Sample } from '../../src/report/page.node.ts';
import type { MetricsLine } from '../../src/storage/metrics.ts';
import { groupRecord, hessianRecord, stepRecord } from '../run/diagnostics/_records.ts';
import { REGRESSION } from '../storage/_records.ts';
import { regressionRun, syntheticRun } from './_metrics.ts';

const SAMPLES: readonly Sample[] = [
  { png: 'iVBORw0KGgo=', label: 'cat', prediction: 'cat', probability: 0.984 },
  { png: 'iVBORw0KGgo=', label: 'dog', prediction: 'frog', probability: 0.6 },
];

function render(changes: Partial<ReportInput> = {}) {
  const input = {
    name: 'vit-ti',
    metrics: syntheticRun(60),
    config: { epochs: 6 },
    seconds: 12_000,
    warmupSteps: 20,
  };
  const text = renderReport({ ...input, samples: SAMPLES, facts: { device: 'cpu' }, ...changes });
  const { document } = parseHTML(text);
  const texts = (selector: string) =>
    [...document.querySelectorAll(selector)].map((node) => node.textContent ?? '');
  return { text, document, texts };
}

const HOSTILE = '</title><script>alert(1)</script><img src="//x" onerror=\'x\'>';

test('every chart of a regularized run is there, each with its warmup', (t) => {
  const { texts, document } = render();
  t.deepEqual(texts('.chart h3'), [
    'Loss',
    'Accuracy',
    'Gradient norm',
    'Learning rate',
    'Penalty weight λ',
    'Perturbation radius r',
    'Mixing weight α',
    'Speed',
  ]);
  t.deepEqual(
    [...document.querySelectorAll('.chart')].map((chart) =>
      [...chart.querySelectorAll('.legend li')].map((li) => li.textContent),
    ),
    [
      ['each batch', 'train, smoothed', 'test'],
      ['each batch', 'train, smoothed', 'test'],
      ['each batch', 'clean', 'regularized'],
      [],
      [],
      [],
      [],
      ['each batch', 'training, smoothed'],
    ],
  );
  t.is(document.querySelectorAll('.chart [aria-label="rect"]').length, 8);
  t.true(texts('.note').some((note) => note.includes('the first 20 steps')));
});

test('a run without regularization has no charts of it', (t) => {
  const { texts } = render({ metrics: syntheticRun(60, { regularized: false }) });
  t.deepEqual(texts('.chart h3'), ['Loss', 'Accuracy', 'Gradient norm', 'Learning rate', 'Speed']);
});

test('headline numbers: the final and the best evaluation, length, time and speed', (t) => {
  const metrics = syntheticRun(60).map((line) =>
    line.split === 'test' ? { ...line, metrics: { top1: line.step === 40 ? 0.9 : 0.875 } } : line,
  );
  t.deepEqual(render({ metrics }).texts('.numbers > div'), [
    'final test accuracy87.50\u202f%at step 60',
    'best test accuracy90.00\u202f%at step 40',
    'steps606 epochs',
    'time3h 20mevaluation included',
    'examples/s500in training, median',
  ]);
});

test('one epoch is one epoch', (t) => {
  const [, , steps] = render({ metrics: syntheticRun(10) }).texts('.numbers > div');
  t.is(steps, 'steps101 epoch');
});

const CONFUSION = {
  classes: ['cat', 'dog', 'newt'],
  counts: [
    [990, 10, 0],
    [1, 3, 0],
    [0, 0, 0],
  ],
};

test('classes: a row each with its accuracy and what its images were taken for', (t) => {
  t.false(render().texts('h2').includes('Classes'));
  const { texts, document } = render({ confusion: CONFUSION });
  t.true(texts('h2').includes('Classes'));
  t.true(texts('.note').some((note) => note.startsWith('The best checkpoint on 1,004 test examples: a row')));
  t.deepEqual(texts('.classes tr'), [
    'classaccuracycatdognewt',
    'cat99.0\u202f%990100',
    'dog75.0\u202f%130',
    'newt000',
  ]);
  t.deepEqual(texts('.classes td b'), ['990', '3']);
  t.is(document.querySelectorAll('.classes td[style]').length, 4);
});

test('many classes: those of the lowest accuracy, with what they are most often taken for', (t) => {
  const classes = Array.from({ length: 30 }, (_, i) => `class ${i}`);
  const counts = classes.map((_, label) =>
    classes.map((_, i) => (i === label ? label : i === 0 ? 30 - label : 0)),
  );
  const { texts } = render({ confusion: { classes, counts } });
  t.is(texts('.classes tbody tr').length, 20);
  t.is(texts('.classes tbody tr')[0], 'class 13.3\u202f%30class 0 ×29');
});

test('a best that was picked on the test images is said to be', (t) => {
  t.regex(render().text, /picked on the test set, so its test accuracy is optimistic; --validation/);
});

test('of equal accuracies the best is that of lower loss, as the run chose it', (t) => {
  const metrics = syntheticRun(60).map((line) =>
    line.split === 'test' ? { ...line, metrics: { top1: 0.9 }, loss: line.step === 30 ? 0.1 : 0.2 } : line,
  );
  t.true(render({ metrics }).texts('.numbers > div').includes('best test accuracy90.00\u202f%at step 30'));
});

test('with validation images, the best is theirs, and the test images are measured with it', (t) => {
  const metrics = syntheticRun(60).flatMap((line) => {
    if (line.split !== 'test') return [line];
    const validation = {
      ...line,
      split: 'validation' as const,
      metrics: { top1: line.step === 40 ? 0.9 : 0.8 },
    };
    if (line.step < 60) return [validation];
    return [
      validation,
      { ...line, metrics: { top1: 0.75 } },
      { ...line, split: 'test_best' as const, metrics: { top1: 0.85 } },
    ];
  });
  const { text, texts, document } = render({ metrics });
  t.deepEqual(texts('.numbers > div').slice(0, 3), [
    'final test accuracy75.00\u202f%at step 60',
    'best validation accuracy90.00\u202f%at step 40',
    'test accuracy of that best85.00\u202f%at step 40',
  ]);
  t.notRegex(text, /picked on the test images/);
  t.deepEqual(
    [...document.querySelectorAll('.chart:first-child .legend li')].map((li) => li.textContent),
    ['each batch', 'train, smoothed', 'validation', 'test'],
  );
});

test('the page needs nothing but itself', (t) => {
  const { text, document } = render();
  t.notRegex(text, /https?:/);
  t.is(document.querySelectorAll('script, link, iframe, object').length, 0);
  t.notRegex(text, /@import|url\((?!#)/);
  for (const image of document.querySelectorAll('img'))
    t.regex(image.getAttribute('src') ?? '', /^data:image\/png;base64,/);
});

test('text from outside stays text', (t) => {
  const { text, document, texts } = render({
    name: HOSTILE,
    config: { [HOSTILE]: HOSTILE, list: [HOSTILE] },
    facts: { [HOSTILE]: HOSTILE },
    confusion: {
      classes: [HOSTILE, HOSTILE],
      counts: [
        [1, 1],
        [0, 1],
      ],
    },
    samples: [{ png: `"${HOSTILE}`, label: HOSTILE, prediction: HOSTILE, probability: 1 }],
  });
  t.is(document.querySelectorAll('script, [onerror]').length, 0);
  t.notRegex(text, /<script/);
  t.deepEqual(texts('h1'), [HOSTILE]);
});

test('images that were misread are marked by more than colour', (t) => {
  const { texts } = render();
  t.deepEqual(texts('.samples li.right'), ['✓ cat 98\u202f%']);
  t.deepEqual(texts('.samples li.wrong'), ['✗ frog 60\u202f%is dog']);
  t.true(texts('.note').some((note) => note.startsWith('2 of the test set, 1 of them misread')));
  t.deepEqual(render({ samples: [] }).texts('.samples li'), []);
});

test('the configuration is a table, nested keys with dots', (t) => {
  const { texts } = render({
    config: { model: { name: 'vit', size: { width: 192 } }, mean: [0.5, 0.5], seed: null },
  });
  t.deepEqual(texts('tr'), ['model.namevit', 'model.size.width192', 'mean[0.5,0.5]', 'seednull']);
});

test('a loss that was not finite is said, with where it began', (t) => {
  t.deepEqual(render().texts('.warning'), []);
  const metrics = syntheticRun(60).map((line) => (line.step > 50 ? { ...line, loss: null } : line));
  const [warning = ''] = render({ metrics }).texts('.warning');
  t.regex(warning, /not a finite number: 10, the first of them 51\./);
});

test('a run of 100,000 steps still makes a small page', (t) => {
  t.true(render({ metrics: syntheticRun(100_000) }).text.length < 300_000);
});

test('a run that has not begun makes a page', (t) => {
  const { text, texts } = render({ metrics: [], samples: [], warmupSteps: 0 });
  t.deepEqual(texts('.chart h3'), ['Loss', 'Accuracy', 'Gradient norm', 'Learning rate', 'Speed']);
  t.notRegex(text, /NaN|undefined/);
});

test('spikes are counted, and marked in the chart of the norm', (t) => {
  t.deepEqual(render().texts('.warning'), []);
  const metrics = syntheticRun(60).map((line) => {
    const spike = line.split === 'train' && (line.step === 30 || line.step === 44) ? line.step / 10 : null;
    return { ...line, spike };
  });
  const { texts, document } = render({ metrics });
  t.deepEqual(texts('.warning'), [
    'Spikes of the gradient norm: 2, the first at step 30; the largest, 4.4 times the running median, at step 44.',
  ]);
  const chart = [...document.querySelectorAll('.chart')].find((each) =>
    each.textContent?.includes('Gradient norm'),
  );
  t.deepEqual(
    [...(chart?.querySelectorAll('[aria-label="dot"] title') ?? [])].map((title) => title.textContent),
    ['spike, step 30: 1.513', 'spike, step 44: 1.255'],
  );
});

test('diagnostics have a section of charts, one line for each group; without them there is none', (t) => {
  t.false(render().texts('h2').includes('Diagnostics'));
  const steps = [10, 20, 30].map((step) => stepRecord(step));
  const { texts, document } = render({ diagnostics: [...steps, hessianRecord(20), hessianRecord(30)] });
  t.true(texts('h2').includes('Diagnostics'));
  const charts = [...document.querySelectorAll('.chart')].slice(8);
  t.deepEqual(
    charts.map((chart) => chart.querySelector('h3')?.textContent),
    [
      'Gradient by group',
      'Update over weights',
      'Effective step size',
      'Spread of the adaptive learning rate',
      'Clean to regularized gradient',
      'Rectification of theory',
      'Largest Hessian eigenvalue',
      'Hessian trace',
    ],
  );
  t.deepEqual(
    [...(charts[0]?.querySelectorAll('.legend li') ?? [])].map((li) => li.textContent),
    ['attention', 'mlp'],
  );
});

test('diagnostics of SGD without regularization have only what there is', (t) => {
  const none = { nu_mean: null, adaptive_rate_log_variance: null, step_size: null };
  const step = stepRecord(10, {
    gr_angle: null,
    rho: null,
    rectification: null,
    groups: { fc: groupRecord(none) },
  });
  const { document } = render({ diagnostics: [step] });
  t.deepEqual(
    [...document.querySelectorAll('.chart h3')].slice(8).map((title) => title.textContent),
    ['Gradient by group', 'Update over weights'],
  );
});

test('a regression: a curve and a final number of each metric, and the best by the lowest of the first', (t) => {
  const { texts, text } = render({ metrics: regressionRun(60), infos: REGRESSION, samples: [] });
  t.deepEqual(texts('.chart h3').slice(0, 4), ['Loss', 'MAE', 'RMSE', 'R²']);
  t.deepEqual(texts('.numbers > div').slice(0, 4), [
    'final test MAE (k$)0.500at step 60',
    'final test RMSE (k$)0.750at step 60',
    'final test R²0.900at step 60',
    'best test MAE (k$)0.410at step 30',
  ]);
  t.true(text.includes('MAE (k$)') && text.includes('mean squared error'));
  t.regex(text, /picked on the test set, so its test MAE is optimistic/);
  t.notRegex(texts('main').join(), /accuracy|cross-entropy|image/i);
});

test('metrics that were never measured have no chart, and a task without metrics is judged by its loss', (t) => {
  const metrics = regressionRun(60).map((line) => ({ ...line, metrics: {} }));
  t.deepEqual(render({ metrics, infos: REGRESSION }).texts('.chart h3').slice(0, 2), [
    'Loss',
    'Gradient norm',
  ]);
  const { texts } = render({ metrics, infos: metricInfos({}) });
  t.deepEqual(texts('.numbers > div').slice(0, 2), [
    'final test loss0.250at step 60',
    'best test loss0.230at step 50',
  ]);
});

test('averaged weights have lines of their own and a final number', (t) => {
  const metrics = regressionRun(60).flatMap((line): MetricsLine[] =>
    line.split === 'test' ? [line, { ...line, split: 'test_ema', metrics: { mae: 0.3 } }] : [line],
  );
  const { texts } = render({ metrics, infos: REGRESSION });
  t.true(texts('.numbers > div').includes('averaged weights: test MAE (k$)0.300at step 60'));
  t.deepEqual(texts('.chart:nth-child(2) .legend li').at(-1), 'test, averaged weights');
  t.true(texts('.numbers > div').includes('best test MAE (k$)0.410at step 30'));
});
