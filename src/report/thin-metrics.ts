/**
 * The lines of a run that a report is drawn from. Of a short run these are all; of a long one they are a sample that
 * fits in bounded memory. The sample has every nth step, so that its medians are near those of all steps. It also has
 * what a reader looks for: every test, every spike, every step that was not finite, and the last step. And it has the
 * lowest and the highest of each measurement in each of at most 256 stretches of the run.
 */
import type { MetricsLine } from '../storage/metrics.ts';

/** The most stretches. When they are reached, each two become one, and n doubles. */
const STRETCHES = 256;
/** The number of every-nth steps in a stretch. */
const SAMPLES = 64;
const MEASURES = ['loss', 'grad_norm', 'gr_grad_norm', 'examples_per_second'] as const;

type Measure = (line: MetricsLine) => number | null;

/**
 * The sample of the lines, in their order: about 20,000 at most, and all tests, spikes and steps that were not finite.
 */
export function thinMetrics(lines: Iterable<MetricsLine>): MetricsLine[] {
  let every = 1;
  let stretches: MetricsLine[][] = [];
  let open: MetricsLine[] = [];
  for (const line of lines) {
    open.push(line);
    if (open.length < SAMPLES * every) continue;
    stretches.push(shown(open, every));
    open = [];
    if (stretches.length < STRETCHES) continue;
    every *= 2;
    stretches = inPairs(stretches).map((pair) => shown(pair, every));
  }
  return [...stretches.flat(), ...shown(open, every)];
}

function inPairs(stretches: readonly MetricsLine[][]): MetricsLine[][] {
  return stretches.flatMap((stretch, i) => (i % 2 === 0 ? [[...stretch, ...(stretches[i + 1] ?? [])]] : []));
}

/** The lines that are kept of a stretch. */
function shown(stretch: readonly MetricsLine[], every: number): MetricsLine[] {
  const names = new Set(stretch.flatMap(({ metrics }) => Object.keys(metrics)));
  const measures: Measure[] = [
    ...MEASURES.map(
      (key): Measure =>
        (line) =>
          line[key],
    ),
    ...[...names].map(
      (name): Measure =>
        ({ metrics }) =>
          metrics[name] ?? null,
    ),
  ];
  const kept = new Set(measures.flatMap((measure) => extremes(stretch, measure)));
  const last = stretch.at(-1);
  if (last) kept.add(last);
  return stretch.filter(
    (line) =>
      line.split !== 'train' ||
      line.step % every === 0 ||
      line.spike !== null ||
      line.loss === null ||
      kept.has(line),
  );
}

/** The training steps with the lowest and the highest value; none where there is no value. */
function extremes(stretch: readonly MetricsLine[], measure: Measure): MetricsLine[] {
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [low, high]: (MetricsLine | undefined)[] = [];
  for (const line of stretch) {
    const value = line.split === 'train' ? measure(line) : null;
    if (value === null) continue;
    if (value < lowest) [lowest, low] = [value, line];
    if (value > highest) [highest, high] = [value, line];
  }
  return [low, high].filter((line) => line !== undefined);
}
