/**
 * `npm run bench:diagnostics`: what `--diagnostics-every` costs. One run records every second step, so that a machine
 * that changes its speed changes both kinds of steps.
 */
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { configFor } from '../src/config/config.ts';
import { integer, type OptionTable } from '../src/config/options.ts';
import { median } from '../src/median.ts';
import { prepareRun } from '../src/run/prepare.node.ts';
import { RUN_FLAGS, timedRun } from './bench/training-run.ts';

const TABLE = {
  ...RUN_FLAGS,
  steps: integer({ min: 20 }, { group: 'Benchmark', help: 'Steps of the run.', default: 200 }),
  every: integer(
    { min: 2 },
    { group: 'Benchmark', help: 'The value of --diagnostics-every whose cost is printed.', default: 10 },
  ),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** Steps that are not counted, an even number. */
const WARMUP_STEPS = 6;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Compares steps that diagnostics record with those between them, in one training run.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:diagnostics -- [options]', examples: [] }));
    return;
  }
  const { graph, batch, steps, every, data } = values;
  const prepared = await prepareRun(
    configFor({
      graph,
      batchSize: batch,
      microBatch: batch,
      maxSteps: steps,
      // Zero-warmup would begin with steps of another kind, those of the plain gradient.
      grWarmup: 'none',
      diagnosticsEvery: 2,
      ...(data === undefined ? {} : { data }),
    }),
  );
  const { ends } = await timedRun(prepared);
  // durations[i] is the time of step i + 2, counted from 1. Diagnostics record the even steps.
  const durations = ends.slice(1).map((end, i) => end - (ends[i] ?? Number.NaN));
  const counted = durations.map((ms, i) => ({ ms, isWatched: (i + 2) % 2 === 0 })).slice(WARMUP_STEPS);
  const of = (isWatched: boolean) =>
    median(counted.filter((each) => each.isWatched === isWatched).map(({ ms }) => ms));
  const [watched, plain] = [of(true), of(false)];
  const share = (100 * (watched - plain)) / plain;
  console.log(
    `${graph}, batch ${batch}: a step takes ${plain.toFixed(1)} ms, one that is recorded ${watched.toFixed(1)} ms, ` +
      `${share.toFixed(1)} % more; with --diagnostics-every ${every}, ${(share / every).toFixed(2)} %`,
  );
});
