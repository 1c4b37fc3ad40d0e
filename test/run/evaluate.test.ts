/** What counts as right: argmax, the first index among equals, and nothing where a logit is not finite. */
import test from 'ava';
import { topCounts } from '../../src/artifacts/top-counts.ts';
import { input } from '../../src/onnx/ops.ts';
import { score } from '../../src/run/evaluate.ts';
import { run } from '../_run.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Of one image: its loss, and whether its label is first and among the first five. */
const scored = (logits: number[], label: number) => score(Float32Array.from(logits), Int32Array.of(label));

test('loss is the cross-entropy, and a label counts by how many classes come before it', (t) => {
  const { loss, top1, top5 } = score(Float32Array.of(0, Math.log(3), 2, 2), Int32Array.of(0, 1));
  t.true(Math.abs(loss - Math.log(4) - Math.log(2)) < 1e-6);
  t.is(top1, 0); // the first image's other class is larger, the second's is equal and comes first
  t.is(top5, 2);
});

test('among equal logits the first comes first: a model that knows nothing is as good as chance', (t) => {
  const labels = Int32Array.from({ length: 20 }, (_, i) => i % 10);
  const { loss, top1, top5 } = score(new Float32Array(200).fill(0.5), labels);
  t.true(Math.abs(loss / 20 - Math.log(10)) < 1e-6);
  t.is(top1, 2);
  t.is(top5, 10);
});

for (const [name, logits] of Object.entries({
  'all NaN': [nan, nan, nan],
  'NaN for the label': [nan, 1, 2],
  'NaN for another class': [3, nan, 2],
  'infinity for the label': [inf, 1, 2],
  'minus infinity for another class': [3, -inf, 2],
}))
  test(`an image with ${name} is never right`, (t) => {
    const { loss, top1, top5 } = scored(logits, 0);
    t.is(loss, nan);
    t.deepEqual([top1, top5], [0, 0]);
  });

for (const classes of [2, 3, 5, 7, 10])
  test(`a step's graph counts the same, of ${classes} classes`, async (t) => {
    const batch = 60;
    const values = [-1, 0, 0, 0.5, 2, 2, 3];
    const at = (i: number): number => Math.floor(1e4 * (1 + Math.sin(12.9898 * i))) % 1000;
    const logits = Float32Array.from({ length: batch * classes }, (_, i) =>
      at(i) < 50 ? nan : (values[at(i) % 7] ?? 0),
    );
    logits.fill(nan, 0, classes);
    logits.fill(0.25, classes, 3 * classes);
    const labels = Int32Array.from({ length: batch }, (_, i) => (i === 1 ? 0 : at(i + 7) % classes));
    const { top1, top5 } = score(logits, labels);
    t.true(top1 > 0 && top1 < batch);
    const counted = topCounts(input('logits', [batch, classes]), input('labels', [batch], 'int32'));
    const got = await run({ counted }, { logits, labels });
    t.deepEqual([...(got.counted ?? [])], [top1, top5]);
  });
