import test from 'ava';
import { parseHTML } from 'linkedom';
import { type Chart, type Line, renderChart } from '../../src/report/chart.node.ts';

const line = (values: readonly (number | null)[], changes: Partial<Line> = {}): Line => ({
  name: 'train',
  points: values.map((value, i) => ({ x: 100 * i, value })),
  color: 'blue',
  stroke: 'solid',
  ...changes,
});

function render(chart: Partial<Chart>) {
  const text = renderChart({ title: 'Loss', yLabel: 'nats', lines: [line([3, 2, 1])], ...chart }).text;
  const { document } = parseHTML(text);
  const all = (selector: string) => [...document.querySelectorAll(selector)];
  const ticks = (axis: string) =>
    all(`g[aria-label="${axis}-axis tick label"] text`).map((tick) => tick.textContent);
  const paths = all('g[aria-label="line"] path').map((path) => path.getAttribute('d') ?? '');
  return { text, all, ticks, paths };
}

test('axes have ticks and labels', (t) => {
  const { text, ticks } = render({ lines: [line([3, 2, 1]), line([4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4])] });
  t.deepEqual(ticks('x'), ['0', '200', '400', '600', '800', '1k']);
  t.deepEqual(ticks('y'), ['0.0', '0.5', '1.0', '1.5', '2.0', '2.5', '3.0', '3.5', '4.0']);
  t.regex(text, />step →</);
  t.regex(text, />↑ nats</);
});

test('each line is drawn in its own stroke and named in the legend', (t) => {
  const strokes = ['solid', 'dashed', 'faint', 'dotted'] as const;
  const { all, paths } = render({ lines: strokes.map((stroke) => line([2, 1], { stroke, name: stroke })) });
  t.deepEqual(
    all('.legend li').map((item) => item.textContent),
    [...strokes],
  );
  t.is(paths.length, 4);
  t.is(new Set(all('.legend svg').map((sample) => sample.outerHTML)).size, 4);
  t.is(all('g[aria-label="dot"] circle').length, 2);
  t.is(all('circle title')[0]?.textContent, 'dotted, step 0: 2.000');
});

test('a single line needs no legend, a line without data is left out', (t) => {
  const { all, paths } = render({ lines: [line([2, 1]), line([null, null], { name: 'missing' })] });
  t.is(all('.legend li').length, 0);
  t.is(paths.length, 1);
});

test('the warmup is shaded', (t) => {
  const shades = (warmupSteps: number) =>
    render({ warmupSteps }).all('g[aria-label="rect"] rect, rect[aria-label="rect"]');
  t.is(shades(0).length, 0);
  t.is(shades(100).length, 1);
});

test('a null is a gap', (t) => {
  const moves = (d = '') => d.split('M').length - 1;
  t.is(moves(render({ lines: [line([3, 2, 2, 1])] }).paths[0]), 1);
  t.is(moves(render({ lines: [line([3, 2, null, 1, 1])] }).paths[0]), 2);
});

test('a logarithmic axis leaves out what has no logarithm', (t) => {
  const { text, ticks } = render({ scale: 'log', lines: [line([100, 10, 0, 1, -1, 1])] });
  t.notRegex(text, /NaN|Infinity/);
  t.true(ticks('y').includes('100') && ticks('y').includes('1'));
});

test('one wild batch does not press the rest flat', (t) => {
  const values = Array.from({ length: 1000 }, (_, i) => (i === 500 ? 1e6 : 2));
  t.deepEqual(
    render({ lines: [line(values, { stroke: 'faint' })] })
      .ticks('y')
      .at(-1),
    '2.0',
  );
  t.deepEqual(
    render({ lines: [line(values)] })
      .ticks('y')
      .at(-1),
    '1,000,000',
  );
});

for (const [name, values] of Object.entries({ none: [], one: [1], 'all zero': [0, 0, 0] })) {
  test(`a chart of few points can be drawn: ${name}`, (t) => {
    for (const scale of ['linear', 'log'] as const) {
      const { text, all } = render({ scale, lines: [line(values)] });
      t.is(all('.chart > svg').length, 1);
      t.notRegex(text, /NaN|Infinity|undefined/);
    }
  });
}

const spread = line([3, 2, 1]).points.map((point) => ({ ...point, low: 0.5, high: 4.5 }));

test('what lies about a line is a band, within the axes', (t) => {
  const { all, ticks } = render({ lines: [line([], { points: spread })], from: 'data' });
  t.is(all('g[aria-label="area"] path').length, 1);
  t.is(ticks('y').at(-1), '4.5');
  t.is(render({}).all('g[aria-label="area"] path').length, 0);
});

test('over a few places there are bars beside one another, and names', (t) => {
  const lines = ['a', 'b'].map((name) => line([], { name, points: spread }));
  const x = { label: 'model', ticks: [0, 100, 200].map((at) => ({ x: at, name: `m${at}` })) };
  const { all, ticks, text } = render({ lines, x, spread: 'bars' });
  t.deepEqual(ticks('x'), ['m0', 'm100', 'm200']);
  t.regex(text, />model →</);
  const bars = all('g[aria-label="rule"]');
  t.is(bars.length, 2);
  t.is(new Set(bars.map((bar) => bar.getAttribute('transform'))).size, 2);
  t.is(all('circle title')[0]?.textContent, 'a, model 0: 3.000');
  t.is(all('.legend circle').length, 2);
});

test('a line of one point is a mark', (t) => {
  t.is(render({ lines: [line([null, 2, null])] }).all('circle').length, 1);
  t.is(render({ lines: [line([1, 2])] }).all('circle').length, 0);
});

test('steps may begin late, past the warmup', (t) => {
  const { all, ticks } = render({ firstStep: 100, warmupSteps: 50 });
  t.deepEqual([ticks('x')[0], ticks('x').at(-1)], ['100', '200']);
  t.is(all('[aria-label="rect"]').length, 0);
});

test('a single place on a logarithmic axis can be drawn', (t) => {
  const x = { label: 'images', scale: 'log' as const, ticks: [{ x: 1000, name: '1,000' }] };
  const { text, ticks } = render({
    lines: [line([], { points: [{ x: 1000, value: 2 }] })],
    x,
    spread: 'bars',
  });
  t.deepEqual(ticks('x'), ['1,000']);
  t.notRegex(text, /NaN|Infinity/);
});

test('a logarithmic axis of less than a decade names round numbers', (t) => {
  t.deepEqual(render({ lines: [line([0.8, 1.1, 1.4])], scale: 'log', from: 'data' }).ticks('y'), [
    '0.8',
    '1',
    '1.2',
    '1.4',
  ]);
});
