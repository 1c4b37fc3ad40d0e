/**
 * `npm run bench:loop`: images a second of whole training runs, with data, logs and checkpoints, beside those of the
 * step alone, on one batch that is kept in memory. Each round measures both in turn.
 */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { createSession } from '#runtime';
import { ensureArtifact } from '../src/artifacts/store.node.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { configFor } from '../src/config/config.ts';
import { integer, type OptionTable } from '../src/config/options.ts';
import { median } from '../src/median.ts';
import { beginTrainer } from '../src/run/begin.ts';
import { createHostTrainer } from '../src/run/host-trainer.ts';
import { graphsToRun, type Plan, stepPlanOf } from '../src/run/plan.ts';
import { type PreparedRun, prepareRun } from '../src/run/prepare.node.ts';
import { madeUpBatch } from './bench/made-up.ts';
import { RUN_FLAGS, timedRun } from './bench/training-run.ts';

const TABLE = {
  ...RUN_FLAGS,
  steps: integer({ min: 10 }, { group: 'Benchmark', help: 'Steps of a run.', default: 150 }),
  every: integer({ min: 1 }, { group: 'Benchmark', help: 'Steps between checkpoints.', default: 50 }),
  rounds: integer({ min: 1 }, { group: 'Benchmark', help: 'Rounds.', default: 3 }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** Steps of every run that are not counted. */
const WARMUP_STEPS = 5;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Compares the images a second of a training run with those of the step alone.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:loop -- [options]', examples: [] }));
    return;
  }
  const { graph, batch, steps, every, data } = values;
  const options = {
    graph,
    batchSize: batch,
    microBatch: batch,
    maxSteps: steps,
    checkpointEvery: every,
    ...(data === undefined ? {} : { data }),
  };
  const prepared = await prepareRun(configFor(options));
  const shares: number[] = [];
  for (let round = 1; round <= values.rounds; round++) {
    const whole = await timedRun(prepared);
    const run = durations(whole.ends);
    const bare = durations(await stepsAlone(prepared, whole.plan));
    const [runTotal, bareTotal] = [sum(run), sum(bare)];
    const share = bareTotal / runTotal;
    shares.push(share);
    const rate = (total: number) => ((1000 * batch * run.length) / total).toFixed(0);
    // A checkpoint begins after its step is reported, so it counts as a part of the next step.
    const after = run.filter((_, i) => (i + 1 + WARMUP_STEPS) % every === 1 % every);
    const pause = Math.max(...after) - median(run);
    const pauses =
      after.length > 0 ? `; longest step after a checkpoint ${pause.toFixed(1)} ms above it` : '';
    console.log(
      `round ${round}: run ${rate(runTotal)} images/s, step alone ${rate(bareTotal)}: ${(100 * share).toFixed(1)} %; ` +
        `median step ${median(run).toFixed(1)} and ${median(bare).toFixed(1)} ms${pauses}`,
    );
  }
  console.log(
    `${graph}, batch ${batch}, a checkpoint every ${every} steps: ${(100 * median(shares)).toFixed(1)} % of the step alone`,
  );
});

/** Takes the steps that a whole run planned, without the rest of a run. Returns when each step ended. */
async function stepsAlone({ config, graph }: PreparedRun, plan: Plan): Promise<number[]> {
  const { microBatch, memory = 'fast', freeze, batchSize, seed } = config;
  const { manifest, file } = await ensureArtifact(graph, { microBatch, memory, freeze }, graphsToRun(config));
  const device = { device: config.device, threads: config.threads || availableParallelism() };
  const trainer = createHostTrainer({
    ...{ manifest, plan: stepPlanOf(config, plan), batchSize, seed },
    load: (name) => createSession(file(name), { ...device, keepsMemory: true }),
  });
  beginTrainer(trainer, seed);
  const batch = madeUpBatch(graph.task.fields, batchSize);
  const ends: number[] = [];
  for (let step = 0; step < config.maxSteps; step++) {
    // A run also yields to the event loop, when it takes a batch.
    await setImmediate();
    await trainer.step(step, batch);
    ends.push(performance.now());
  }
  await trainer.release();
  return ends;
}

/** Milliseconds of each step that is counted. */
function durations(ends: readonly number[]): number[] {
  return ends.slice(1).flatMap((end, i) => (i + 1 < WARMUP_STEPS ? [] : [end - (ends[i] ?? Number.NaN)]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
