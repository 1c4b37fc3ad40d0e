/** `ortgrad train`: a new run, or one to be gone on with; then its report. */
import path from 'node:path';
import { openGraph } from '../artifacts/store.ts';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.ts';
import { writeReport } from '../report/write.ts';
import { documentFile, loadCheckpoint, runFolderOf } from '../train/checkpoint-folder.ts';
import { configFor, OPTIONS, resumedConfig, runName, type TrainConfig } from '../train/config.ts';
import { formatDuration } from '../train/duration.ts';
import { type OptionTable, text } from '../train/options.ts';
import { createProgress, type Progress } from '../train/progress.ts';
import { prepareRun, type RunObserver, type RunResult, trainRun } from '../train/run.ts';
import { lockRun } from '../train/run-lock.ts';
import { unpackRun } from '../train/unpack-run.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { onInterrupt } from './interrupt.ts';
import { predictSamples } from './samples.ts';

const TABLE = {
  ...OPTIONS,
  config: text({
    group: 'Run',
    help: 'JSON file of options; flags override it.',
    placeholder: 'FILE',
    default: undefined,
  }),
  resume: text({
    group: 'Run',
    help: 'Go on with the run in this folder, from its last checkpoint; or in a .tar that a page saved, unpacked beside it.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const HELP = {
  about:
    'Trains a graph on images with gradient regularization, and writes checkpoints, metrics and a report to a run folder. Without options: a small Vision Transformer on MNIST. Ctrl-C saves and leaves; --resume goes on.',
  usage: 'npm run train -- [options]',
  examples: [
    'npm run train',
    'npm run train -- --graph vit-ti-cifar10 --data DIR --epochs 300 --batch-size 256 --lr 1e-3',
    'npm run train -- --graph vit-s-cifar10 --data DIR --gr fd --r 0.1 --alpha 1.0 --gr-warmup r',
    'npm run train -- --resume runs/NAME',
  ],
};

export async function train(argv: readonly string[]): Promise<void> {
  const { values, given } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(helpText(TABLE, HELP));
    return;
  }
  const { config: configFile, resume, help, verbose, ...flags } = given;
  const file = values.config;
  if (values.resume !== undefined) {
    if (file !== undefined) {
      throw new UserError(
        '--config: a resumed run takes its options from its checkpoint; leave --config out',
      );
    }
    const resumed = values.resume.endsWith('.tar') ? await unpackRun(values.resume) : values.resume;
    const folder = runFolderOf(resumed);
    // Before its checkpoint is read, which another process might be replacing.
    const lock = await lockRun(folder);
    try {
      const checkpoint = await loadCheckpoint(resumed);
      const config = resumedConfig(checkpoint.config, await documentFile(resumed), flags);
      const prepared = { config, graph: await openGraph(config.graph) };
      await watched(folder, config, (observer) => trainRun(folder, prepared, observer, checkpoint, lock));
    } finally {
      await lock.release();
    }
    return;
  }
  const config = configFor(
    flags,
    file === undefined ? undefined : { values: await readJsonFile(file), origin: `--config ${file}` },
  );
  const prepared = await prepareRun(config);
  const folder = config.out ?? path.join('runs', runName(config, new Date()));
  await watched(folder, prepared.config, async (observer) => {
    observer.note(prepared.note);
    return trainRun(folder, prepared, observer);
  });
}

/** Runs with a progress display and Ctrl-C in hand, then writes the report. */
async function watched(
  folder: string,
  config: TrainConfig,
  run: (observer: RunObserver) => Promise<RunResult>,
): Promise<void> {
  let progress: Progress | undefined;
  let isStopping = false;
  const say = (line: string): void => (progress ? progress.note(line) : console.log(line));
  const letGo = onInterrupt(() => {
    isStopping = true;
    say('stopping after this step; Ctrl-C again quits without saving');
  });
  try {
    const result = await run({
      note: say,
      started({ totalSteps, stepsPerEpoch }, step) {
        const last = config.maxSteps > 0 ? Math.min(config.maxSteps, totalSteps) : totalSteps;
        progress = createProgress({
          stream: process.stdout,
          totalSteps: last,
          stepsPerEpoch,
          startStep: step,
        });
      },
      step: (record) => progress?.step(record),
      evaluated: (record) => progress?.evaluated(record),
      shouldStop: () => isStopping,
    });
    progress?.stop();
    progress = undefined;
    await conclude(folder, result);
  } finally {
    progress?.stop();
    letGo();
  }
}

async function conclude(
  folder: string,
  { config, plan, step, outcome, best, seconds }: RunResult,
): Promise<void> {
  if (outcome === 'interrupted') {
    console.log(`saved at step ${step}; go on with: npm run train -- --resume ${folder}`);
    process.exitCode = 130;
    return;
  }
  const report = await writeReport(folder, {
    name: path.basename(path.resolve(folder)),
    warmupSteps: plan.warmupSteps,
    seconds,
    facts: {
      graph: config.graph,
      device: config.device,
      'micro-batch': config.microBatch,
      memory: config.memory ?? 'fast',
    },
    samples: await predictSamples(folder, config),
  });
  const result =
    best === null ? '' : `; best test accuracy ${(100 * best.top1).toFixed(2)}% at step ${best.step}`;
  console.log(`${step} steps in ${formatDuration(seconds)}${result}`);
  console.log(`report: ${report}`);
  console.log(`checkpoints: ${path.join(folder, 'last')} and ${path.join(folder, 'best')}`);
}
