/** `ortgrad train`: begins a run or resumes one, then writes its report. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { configFor, OPTIONS, resumedConfig, runName, type TrainConfig } from '../config/config.ts';
import { type GivenOptions, type OptionTable, text } from '../config/options.ts';
import { readRecipe } from '../config/recipe-file.node.ts';
import { splitRecipe } from '../config/recipes.ts';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { isLoss, judgeOf, metricText, metricValue } from '../metrics/info.ts';
import { REPORT_FILE, writeReport } from '../report/write.node.ts';
import { openRunGraph, type PreparedRun, prepareRun } from '../run/prepare.node.ts';
import { type RunObserver, type RunResult, trainRun } from '../run/run.node.ts';
import {
  documentFile,
  hasCheckpoint,
  loadCheckpoint,
  runFolderOf,
} from '../storage/checkpoint-folder.node.ts';
import { CONFIG_FILE } from '../storage/run-archive.ts';
import { expectNewFolder } from '../storage/run-folder.node.ts';
import { lockRun, type RunLock } from '../storage/run-lock.node.ts';
import { unpackRun } from '../storage/unpack-run.node.ts';
import { parseAugmentation } from '../tasks/augmentation.ts';
import { formatDuration } from '../terminal/duration.ts';
import { createProgress, type Progress } from '../terminal/progress.node.ts';
import { aboutRun } from './about-run.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { onInterrupt } from './interrupt.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  ...OPTIONS,
  // As text: a file that it names is read below, and what it says is checked with the other options.
  augment: text(OPTIONS.augment.info),
  config: text({
    group: 'Run',
    help: 'JSON file of options, by their names in camelCase: {"model": "./my-model.js", "batchSize": 32}. Flags override it. Paths in it begin at the working folder, as in flags.',
    placeholder: 'FILE',
    default: undefined,
  }),
  recipe: text({
    group: 'Run',
    help: "The options of a recipe together, which other flags and --config override. Of the authors' code: gnp-vit, ViT-S on CIFAR-10 with zero-warmup, 300 epochs of AdamW; gnp-cnn, WRN-28-10 on CIFAR-10, 200 epochs of Nesterov SGD; docs/guide/recipes.md lists what they set. Or a JSON file of options, as --config takes it. In a --config file it is recipe.",
    placeholder: 'NAME|FILE.json',
    default: undefined,
  }),
  resume: text({
    group: 'Run',
    help: 'Resume the run in this folder from its last checkpoint. A .tar that a page saved is first unpacked beside it.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const HELP = {
  about:
    'Trains a model, and writes checkpoints, metrics and a report to a run folder. Without options: a small Vision Transformer on MNIST, with exact gradient regularization. Ctrl-C saves and stops; --resume continues.',
  usage: typed('train', '[options]'),
  examples: [
    '',
    '--graph vit-ti-cifar10 --data DIR --epochs 300 --batch-size 256 --lr 1e-3',
    '--graph vit-s-cifar10 --data DIR --gr fd --r 0.1 --alpha 1.0 --gr-warmup r',
    '--recipe gnp-vit --data DIR',
    '--resume runs/NAME',
  ].map((flags) => typed('train', flags)),
};

export async function train(argv: readonly string[]): Promise<void> {
  const { values, given } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(helpText(TABLE, HELP));
    return;
  }
  const { config: configFile, recipe, resume, help, verbose, ...texts } = given;
  const flags = await withSteps(texts);
  const file = values.config;
  if (values.resume !== undefined) {
    if (file !== undefined) {
      throw new UserError(
        '--config: a resumed run takes its options from its checkpoint; leave --config out',
      );
    }
    if (values.recipe !== undefined) {
      throw new UserError(
        '--recipe: a resumed run takes its options from its checkpoint; leave --recipe out',
      );
    }
    await resumeRun(values.resume, flags);
    return;
  }
  const config = await configOf(flags, file, values.recipe);
  const folder = config.out ?? path.join('runs', runName(config, new Date()));
  await expectNewFolder(folder);
  await begin(folder, config);
}

/** The config of a new run. A recipe of a flag takes the place of that which the `--config` file names. */
async function configOf(flags: GivenOptions, file?: string, recipe?: string): Promise<TrainConfig> {
  if (file === undefined)
    return configFor(flags, undefined, recipe === undefined ? undefined : await readRecipe(recipe));
  const origin = `--config ${file}`;
  const given = splitRecipe(await readJsonFile(file), origin);
  const [name, where] = recipe === undefined ? [given.recipe, `${origin}: recipe`] : [recipe, '--recipe'];
  return configFor(
    flags,
    { values: given.options, origin },
    name === undefined ? undefined : await readRecipe(name, where),
  );
}

/** The flags, with the list of steps that a JSON file holds in place of the file. Throws a UserError that names it. */
async function withSteps({ augment, ...flags }: GivenOptions): Promise<GivenOptions> {
  if (augment === undefined) return flags;
  if (typeof augment !== 'string' || !augment.endsWith('.json')) return { ...flags, augment };
  return { ...flags, augment: parseAugmentation(await readJsonFile(augment), `--augment ${augment}`) };
}

/** Trains from the first step. `lock` is held if the folder is that of a run that begins again. */
async function begin(folder: string, config: TrainConfig, lock?: RunLock): Promise<void> {
  const prepared = await prepareRun(config);
  await watched(folder, prepared, async (observer) => {
    observer.note(prepared.note);
    if (prepared.warning !== undefined) observer.note(prepared.warning);
    return trainRun(folder, prepared, observer, undefined, lock);
  });
}

/** `from` is a run, a checkpoint in it, or an archive. A run that ended before its first checkpoint begins again. */
async function resumeRun(from: string, flags: GivenOptions): Promise<void> {
  const resumed = from.endsWith('.tar') ? await unpackRun(from) : from;
  const folder = runFolderOf(resumed);
  // Locked before the checkpoint is read, because another process might be replacing it.
  const lock = await lockRun(folder);
  try {
    const configFile = path.join(folder, CONFIG_FILE);
    if (!(await hasCheckpoint(folder)) && existsSync(configFile)) {
      const config = resumedConfig(await readJsonFile(configFile), configFile, flags);
      print(
        `${folder}: the run ended before its first checkpoint; it begins again, as its ${CONFIG_FILE} says`,
      );
      await begin(folder, config, lock);
      return;
    }
    const checkpoint = await loadCheckpoint(resumed);
    const config = resumedConfig(checkpoint.config, await documentFile(resumed), flags);
    const run = { config, graph: await openRunGraph(config) };
    await watched(
      folder,
      run,
      (observer) => trainRun(folder, run, observer, checkpoint, lock),
      checkpoint.step,
    );
  } finally {
    await lock.release();
  }
}

/** Runs with a progress display and handles Ctrl-C, then writes the report. */
async function watched(
  folder: string,
  { config }: Pick<PreparedRun, 'config'>,
  run: (observer: RunObserver) => Promise<RunResult>,
  /** Steps that the run had taken before. */
  firstStep = 0,
): Promise<void> {
  let progress: Progress | undefined;
  let isStopping = false;
  const say = (line: string): void => (progress ? progress.note(line) : print(line));
  const stopListening = onInterrupt(() => {
    isStopping = true;
    say('stopping after this step; Ctrl-C again quits without saving');
  });
  try {
    const result = await run({
      note: say,
      started({ totalSteps, stepsPerEpoch }, step, metrics) {
        const last = config.maxSteps > 0 ? Math.min(config.maxSteps, totalSteps) : totalSteps;
        progress = createProgress({
          stream: process.stdout,
          totalSteps: last,
          stepsPerEpoch,
          metrics,
          startStep: step,
        });
      },
      step: (record) => progress?.step(record),
      evaluated: (record) => progress?.evaluated(record),
      shouldStop: () => isStopping,
    });
    progress?.stop();
    progress = undefined;
    await conclude(folder, result, firstStep);
  } finally {
    progress?.stop();
    stopListening();
  }
}

async function conclude(
  folder: string,
  { config, plan, step, outcome, best, testOfBest, metrics, seconds }: RunResult,
  firstStep: number,
): Promise<void> {
  if (outcome === 'interrupted') {
    print(`saved at step ${step}; resume with: ${typed('train', `--resume ${folder}`)}`);
    process.exitCode = 130;
    return;
  }
  const isOld = step === firstStep;
  const found = path.join(folder, REPORT_FILE);
  const report =
    isOld && existsSync(found)
      ? found
      : await writeReport(folder, {
          name: path.basename(path.resolve(folder)),
          warmupSteps: plan.warmupSteps,
          // The time of a resumed run's earlier parts is not known.
          ...(firstStep > 0 ? {} : { seconds }),
          ...(await aboutRun(folder, config, config.model)),
        });
  const done = isOld
    ? `nothing is left to do: ${endOf(step, plan.totalSteps, folder)}`
    : `${step - firstStep} steps in ${formatDuration(seconds)}`;
  const judge = judgeOf(metrics);
  const judged = (value: number | null | undefined): string => metricText(judge, value ?? Number.NaN, 2);
  const onTest = testOfBest
    ? `, test ${judge.label} of that checkpoint ${judged(metricValue(judge, testOfBest))}`
    : '';
  const result = best
    ? `; best ${best.split} ${judge.label} ${judged(isLoss(judge) ? best.loss : best.value)} at step ${best.step}${onTest}`
    : '';
  print(done + result);
  print(`report: ${report}`);
  print(`checkpoints: ${path.join(folder, 'last')} and ${path.join(folder, 'best')}`);
}

/** Why a run takes no step after `step`. */
function endOf(step: number, totalSteps: number, folder: string): string {
  return step >= totalSteps
    ? `all ${step} steps of the run are taken`
    : `--max-steps ends the run at step ${step} of ${totalSteps}; continue with: ${typed('train', `--resume ${folder} --max-steps 0`)}`;
}
