/** `ortgrad study`: a grid of training runs, from its design to its report. */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { timestamp } from '../config/config.ts';
import { choice, integer, type OptionTable, text, toggle } from '../config/options.ts';
import { counted } from '../counted.ts';
import { UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { writeStudyReport } from '../report/study/write.node.ts';
import { lastMetrics } from '../storage/metrics-log.node.ts';
import { METRICS_FILE } from '../storage/run-archive.ts';
import { createRunFolder } from '../storage/run-folder.node.ts';
import { expandDesign, parseDesign, type StudyDesign } from '../study/design.ts';
import { gpuLines } from '../study/gpu-time.node.ts';
import { type PlannedCell, planCells } from '../study/plan.node.ts';
import { PRESET_NAMES, PRESETS } from '../study/presets.ts';
import { createStudyProgress } from '../study/progress.node.ts';
import { withRecipes } from '../study/recipes.node.ts';
import { DESIGN_FILE, readStudy } from '../study/results.node.ts';
import { cellFolder, runStudy } from '../study/runner.node.ts';
import { estimateSeconds } from '../study/speed.node.ts';
import { formatDuration } from '../terminal/duration.ts';
import { writeJson } from '../whole-file.node.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { onInterrupt } from './interrupt.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  preset: choice(PRESET_NAMES, {
    group: 'Study',
    help: 'A study that comes with the project: quick takes minutes; cpu at most 2 hours on 2 cores, with the first training file of CIFAR-10; cpu-2 as long, where a network fits its images and GR is strong; alternatives 4, to compare other remedies with the warmups; text and table half an hour or less each; paper is for a GPU.',
    default: 'quick',
  }),
  config: text({
    group: 'Study',
    help: "JSON file of a study's design, in place of a preset. The study.json of another study is such a file.",
    placeholder: 'FILE',
    default: undefined,
  }),
  resume: text({
    group: 'Study',
    help: 'Resume the study in this folder: skip finished cells, resume interrupted ones, try failed ones again.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  data: text({
    group: 'Study',
    help: 'Folder of the datasets that do not come with the project.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  out: text({
    group: 'Study',
    help: 'Folder to create, for the cells and the report.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'runs/study-<preset>-<time>',
  }),
  jobs: integer(
    { min: 0, max: 1024 },
    {
      group: 'Study',
      help: 'Cells that run side by side; threads are divided among them. 0 takes one for each core, at most 4.',
      default: 0,
    },
  ),
  dryRun: toggle({
    group: 'Study',
    help: 'Print the cells and an estimate of their time, and stop.',
    default: false,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const HELP = {
  about:
    'Trains a grid of runs and compares them: when does gradient regularization harm, and which warmup repairs it? Ctrl-C saves and stops; --resume continues.',
  usage: typed('study', '[options]'),
  examples: [
    '',
    '--preset cpu --data DIR',
    '--preset paper --data DIR --dry-run',
    '--config my-study.json',
    '--resume runs/NAME',
  ].map((flags) => typed('study', flags)),
};

/** Small networks gain more from running side by side than from threads; large ones need the memory. */
const MOST_JOBS = 4;

export async function study(argv: readonly string[]): Promise<void> {
  const { values, given } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(helpText(TABLE, HELP));
    return;
  }
  const jobs = values.jobs || Math.min(MOST_JOBS, availableParallelism());
  if (values.resume !== undefined) {
    const other = ['preset', 'config', 'out', 'data'].find((key) => given[key] !== undefined);
    if (other !== undefined)
      throw new UserError(
        `--${other}: a resumed study takes its design from its folder; leave --${other} out`,
      );
    const file = path.join(values.resume, DESIGN_FILE);
    const design = parseDesign(await readJsonFile(file), file);
    await run(values.resume, await plan(design, file, values.dryRun), jobs, values.dryRun);
    return;
  }
  if (values.config !== undefined && given.preset !== undefined)
    throw new UserError('--preset: a study has one design; leave --preset or --config out');
  const [json, origin, name] =
    values.config === undefined
      ? [PRESETS[values.preset], `preset ${values.preset}`, values.preset]
      : [await readJsonFile(values.config), `--config ${values.config}`, path.parse(values.config).name];
  const written = await withRecipes(parseDesign(json, origin), origin);
  const data = values.data ?? written.data;
  const design: StudyDesign = {
    ...written,
    ...(data !== undefined && { data }),
    command: typed('study', argv.map(quoted).join(' ')),
    // The number of threads changes the last digits of results, so it is fixed here, whatever --jobs a resumed study has.
    base: { threads: Math.max(1, Math.floor(availableParallelism() / jobs)), ...written.base },
  };
  const cells = await plan(design, origin, values.dryRun);
  const folder = values.out ?? path.join('runs', `study-${name}-${timestamp(new Date())}`);
  if (!values.dryRun) {
    await createRunFolder(folder);
    await writeJson(path.join(folder, DESIGN_FILE), design);
  }
  await run(folder, cells, jobs, values.dryRun);
}

async function plan(design: StudyDesign, origin: string, isDry: boolean): Promise<PlannedCell[]> {
  const { cells, leftOut } = expandDesign(design, origin);
  if (isDry)
    for (const [reason, count] of leftOut) print(`${counted(count, 'combination')} left out: ${reason}`);
  return planCells(cells, { data: design.data, officialSizes: isDry });
}

async function run(
  folder: string,
  cells: readonly PlannedCell[],
  jobs: number,
  isDry: boolean,
): Promise<void> {
  if (isDry) return printEstimate(cells, jobs);
  print(`${counted(cells.length, 'cell')}, ${jobs} side by side, in ${folder}`);
  const progress = createStudyProgress({
    stream: process.stdout,
    cells,
    jobs,
    result: (cell) => lastMetrics(path.join(cellFolder(folder, cell), METRICS_FILE), 'test', 1)[0],
  });
  const running = runStudy(folder, cells, jobs, progress);
  const stopListening = onInterrupt(() => {
    progress.note('stopping after the current steps; Ctrl-C again quits without saving');
    running.stop();
  });
  try {
    const outcome = await running.done;
    progress.stop();
    if (outcome === 'interrupted') {
      print(`saved; resume with: ${typed('study', `--resume ${folder}`)}`);
      process.exitCode = 130;
      return;
    }
    const { report } = await writeStudyReport(folder, await readStudy(folder));
    print(`report: ${report}, with figures/ and tables/ beside it`);
  } finally {
    progress.stop();
    stopListening();
  }
}

/** An argument, quoted for a shell. */
function quoted(argument: string): string {
  return /^[\w./:=,@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** Prints the cells of a study, and how long they would take. */
async function printEstimate(cells: readonly PlannedCell[], jobs: number): Promise<void> {
  const seconds = await estimateSeconds(cells, jobs);
  for (const cell of cells) {
    const { id, totalSteps, trainExamples } = cell;
    print(
      `${id}  ${trainExamples.toLocaleString('en')} examples, ${totalSteps.toLocaleString('en')} steps, ${formatDuration(seconds.get(cell) ?? 0)}`,
    );
  }
  const total = [...seconds.values()].reduce((sum, each) => sum + each, 0);
  print(
    `${counted(cells.length, 'cell')}: about ${inWords(total / jobs)} with ${jobs} side by side on this machine, as busy as it is now, from one timed gradient of each graph`,
  );
  for (const line of await gpuLines(cells)) print(line);
}

const YEAR = 365 * 86_400;

/** A duration of years in years, since days would be too many to read. */
function inWords(seconds: number): string {
  return seconds < 2 * YEAR
    ? formatDuration(seconds)
    : `${Math.round(seconds / YEAR).toLocaleString('en')} years`;
}
