import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UserError } from '../../src/errors.ts';
import { EVALUATIONS, metricsText, parseMetrics } from '../../src/storage/metrics.ts';
import { lastMetrics, openMetricsLog, readMetrics } from '../../src/storage/metrics-log.node.ts';
import { temporaryFolder, testRecord, trainRecord } from './_records.ts';

const newPath = (t: ExecutionContext) => join(temporaryFolder(t), 'metrics.jsonl');

/** Steps from `first` to 20, with an evaluation after each tenth. */
function writeRun(
  path: string,
  { from = 1, resumeAtStep }: { from?: number; resumeAtStep?: number } = {},
): void {
  const log = openMetricsLog(path, resumeAtStep === undefined ? {} : { resumeAtStep });
  for (let step = from; step <= 20; step++) {
    log.write(trainRecord(step));
    if (step % 10 === 0) log.write(testRecord(step));
  }
  log.close();
}

test('a line holds every key in the order of the file', (t) => {
  const path = newPath(t);
  const log = openMetricsLog(path);
  log.write(trainRecord(7));
  log.write(testRecord(7));
  log.close();
  t.is(
    readFileSync(path, 'utf8'),
    '{"step":7,"epoch":1,"split":"train","loss":0.2857142857142857,"top1":0.25,"top5":0.75,"grad_norm":1.5,"gr_grad_norm":2.5,"lr":0.001,"lambda":0.1,"r":null,"alpha":null,"spike":null,"examples_per_second":640}\n' +
      '{"step":7,"epoch":1,"split":"test","loss":0.5,"top1":0.875,"top5":1,"grad_norm":null,"gr_grad_norm":null,"lr":null,"lambda":null,"r":null,"alpha":null,"spike":null,"examples_per_second":1280}\n',
  );
});

test('what is written is read back, a number that is not finite as null', (t) => {
  const path = newPath(t);
  const log = openMetricsLog(path);
  log.write(trainRecord(1, { loss: Number.NaN, grad_norm: Number.POSITIVE_INFINITY }));
  log.close();
  t.deepEqual(readMetrics(path), [{ ...trainRecord(1), loss: null, grad_norm: null }]);
});

test('the metrics of any task stand between the loss and the norms, and are read back by name', (t) => {
  const path = newPath(t);
  const log = openMetricsLog(path);
  log.write(trainRecord(1, { metrics: { mae: 0.5, r2: Number.NaN } }));
  log.write(testRecord(1, { metrics: {} }));
  log.close();
  const [line = '', bare = ''] = readFileSync(path, 'utf8').split('\n');
  t.true(
    line.startsWith('{"step":1,"epoch":1,"split":"train","loss":2,"mae":0.5,"r2":null,"grad_norm":1.5,'),
  );
  t.false(/mae|r2/.test(bare));
  t.deepEqual(
    readMetrics(path).map(({ metrics }) => metrics),
    [{ mae: 0.5, r2: null }, {}],
  );
});

test('a file of before metrics had names is read: images a second, no spikes, top-5 at a fixed place', (t) => {
  const rest = '"gr_grad_norm":null,"lr":0.001,"lambda":null,"r":null,"alpha":null,"images_per_second":640}';
  const old = `{"step":7,"epoch":1,"split":"train","loss":0.25,"top1":0.5,"top5":null,"grad_norm":1.5,${rest}\n`;
  t.deepEqual(parseMetrics(old, 'metrics.jsonl'), [
    {
      ...trainRecord(7, { loss: 0.25, gr_grad_norm: null, lambda: null }),
      metrics: { top1: 0.5, top5: null },
    },
  ]);
});

test('a metric that is no number is a broken line', (t) => {
  const text = metricsText(testRecord(1)).replace('"top1":0.875', '"top1":"0.875"');
  t.throws(() => parseMetrics(`${text}\n`, 'metrics.jsonl'), {
    instanceOf: UserError,
    message: /^metrics\.jsonl: line 1: top1: expected .*number.*"0\.875".*; delete the line$/,
  });
});

test('evaluations on validation data, of the best checkpoint and of averaged weights have splits of their own', (t) => {
  const path = newPath(t);
  const log = openMetricsLog(path);
  const splits = EVALUATIONS;
  for (const split of splits) log.write(testRecord(5, { split }));
  log.close();
  t.deepEqual(
    readMetrics(path).map(({ split }) => split),
    [...splits],
  );
});

test('a flushed line is in the file while the log is open', (t) => {
  const path = newPath(t);
  const log = openMetricsLog(path);
  log.write(trainRecord(1));
  log.flush();
  t.is(readMetrics(path).length, 1);
  log.close();
});

test('a new run does not write over the metrics of another', (t) => {
  const path = newPath(t);
  writeRun(path);
  t.throws(() => openMetricsLog(path), {
    instanceOf: UserError,
    message: /already holds the metrics of a run/,
  });
  t.is(readMetrics(path).length, 22);
});

test('a resumed log equals one that was never interrupted', (t) => {
  const [whole, resumed] = [newPath(t), newPath(t)];
  writeRun(whole);
  writeRun(resumed);
  // The checkpoint was of step 13; a crash at step 21 left half a line.
  appendFileSync(resumed, '{"step":21,"epoch":3,"spl');
  writeRun(resumed, { from: 14, resumeAtStep: 13 });
  t.is(readFileSync(resumed, 'utf8'), readFileSync(whole, 'utf8'));
  t.deepEqual(readdirSync(join(resumed, '..')), ['metrics.jsonl']);
});

test('resuming at a step keeps its evaluation', (t) => {
  const path = newPath(t);
  writeRun(path);
  openMetricsLog(path, { resumeAtStep: 10 }).close();
  const last = readMetrics(path).at(-1);
  t.like(last, { step: 10, split: 'test' });
});

test('a whole last line that lacks its line break is kept, and the next goes on a line of its own', (t) => {
  const path = newPath(t);
  writeRun(path);
  writeFileSync(path, readFileSync(path, 'utf8').trimEnd());
  const log = openMetricsLog(path, { resumeAtStep: 20 });
  log.write(trainRecord(21));
  log.close();
  t.deepEqual(
    readMetrics(path)
      .slice(-2)
      .map(({ step, split }) => [step, split]),
    [
      [20, 'test'],
      [21, 'train'],
    ],
  );
});

test('a run that crashed before its first line resumes with an empty log', (t) => {
  const path = newPath(t);
  openMetricsLog(path, { resumeAtStep: 0 }).close();
  t.true(existsSync(path));
  t.deepEqual(readMetrics(path), []);
});

test('the reader leaves out half a last line', (t) => {
  const path = newPath(t);
  writeRun(path);
  appendFileSync(path, '{"step":21,"epo');
  t.is(readMetrics(path).length, 22);
});

test('the reader names the line that is broken', (t) => {
  const path = newPath(t);
  writeRun(path);
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, lines.with(2, '{"step":3,').join('\n'));
  t.throws(() => readMetrics(path), {
    instanceOf: UserError,
    message: /metrics\.jsonl: line 3: expected a JSON object/,
  });
  writeFileSync(path, lines.with(4, (lines[4] ?? '').replace('"train"', '"trian"')).join('\n'));
  t.throws(() => readMetrics(path), {
    instanceOf: UserError,
    message: /metrics\.jsonl: line 5: split: .*"trian"/,
  });
});

test('the reader names a file that is not there', (t) => {
  t.throws(() => readMetrics(newPath(t)), { instanceOf: UserError, message: /metrics\.jsonl: no such file/ });
});

/** A file of so many steps, made at once. */
function longRun(path: string, steps: number): void {
  const [line = ''] = metricsText(trainRecord(1)).split('\n');
  const lines = Array.from({ length: steps }, (_, i) => line.replace('"step":1', `"step":${i + 1}`));
  writeFileSync(path, `${lines.join('\n')}\n`);
}

test('a run of 235,000 steps is resumed in a moment, from its end alone', (t) => {
  const path = newPath(t);
  longRun(path, 235_000);
  const begin = performance.now();
  const log = openMetricsLog(path, { resumeAtStep: 234_900 });
  const last = lastMetrics(path, 'train', 100);
  const took = performance.now() - begin;
  log.close();
  t.true(took < 1000, `${took} ms`);
  t.deepEqual(
    last.map(({ step }) => step),
    Array.from({ length: 100 }, (_, i) => 234_801 + i),
  );
  t.is(readMetrics(path).length, 234_900);
});

test('the last lines of a split are found, fewer where there are not so many, none in an empty file', (t) => {
  const path = newPath(t);
  writeRun(path);
  t.deepEqual(
    lastMetrics(path, 'test', 5).map(({ step }) => step),
    [10, 20],
  );
  appendFileSync(path, '{"step":21,"epo');
  t.is(lastMetrics(path, 'train', 1)[0]?.step, 20);
  writeFileSync(path, '');
  t.deepEqual(lastMetrics(path, 'train', 5), []);
});

test('a resumed run names a broken line at the end of its file, and keeps the file', (t) => {
  const path = newPath(t);
  writeRun(path);
  const lines = readFileSync(path, 'utf8').split('\n');
  const content = lines.with(20, '{"step":20,').join('\n');
  writeFileSync(path, content);
  t.throws(() => openMetricsLog(path, { resumeAtStep: 13 }), {
    instanceOf: UserError,
    message: /metrics\.jsonl: line 21: expected a JSON object, got `\{"step":20,`; delete the line$/,
  });
  t.is(readFileSync(path, 'utf8'), content);
});

test('a run resumed at its beginning keeps no line', (t) => {
  const path = newPath(t);
  writeRun(path);
  openMetricsLog(path, { resumeAtStep: 0 }).close();
  t.is(readFileSync(path, 'utf8'), '');
});
