/**
 * `npm run bench:tasks`: whole training runs on a table and on texts beside PyTorch's of the same model on the same
 * arrays. `--check` compares the losses of the first steps instead, from the same weights and with the same batches.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, type Flags, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, number, type OptionTable, text, toggle } from '../src/config/options.ts';
import { counted } from '../src/counted.ts';
import { UserError } from '../src/errors.ts';
import { median } from '../src/median.ts';
import { spread } from '../src/report/study/statistics.ts';
import { namesIn, OUTPUT_FLAGS } from './bench/flags.ts';
import { machine, machineLine } from './bench/machine.ts';
import { expectTorch } from './bench/peers.ts';
import { fixed, renderSection, type Section } from './bench/section.ts';
import { medianRatio } from './bench/statistics.ts';
import {
  runOurs,
  runPeer,
  type SharedTask,
  shareTask,
  type TaskOptions,
  type TaskRun,
  worstLoss,
} from './bench/task-runs.ts';

const REGULARIZERS = ['none', 'exact'] as const;
type Gr = (typeof REGULARIZERS)[number];

interface Subject {
  readonly options: Pick<
    TaskOptions,
    'graph' | 'epochs' | 'batchSize' | 'learningRate' | 'weightDecay' | 'warmupEpochs' | 'augment'
  >;
  readonly scores: readonly Score[];
  /**
   * Steps that `--check` compares. Where relu's derivative jumps, the exact penalty's gradient does: rounding grows from step
   * to step, and fast where a batch is normalised.
   */
  readonly checkedSteps: number;
}

interface Score {
  readonly metric: string;
  readonly head: string;
  /** What the metric is multiplied by for display. */
  readonly factor: number;
  readonly digits: number;
}

const ACCURACY: readonly Score[] = [{ metric: 'top1', head: 'accuracy %', factor: 100, digits: 2 }];
const LOSS: Score = { metric: 'loss', head: 'test loss', factor: 1, digits: 4 };

const TASK_NAMES = [
  'diamonds',
  'diamonds-ft-transformer',
  'languages',
  'languages-lstm',
  'languages-gru',
  'cifar10',
] as const;
type TaskName = (typeof TASK_NAMES)[number];

const DOLLARS: readonly Score[] = [
  { metric: 'mae', head: 'MAE $', factor: 1, digits: 1 },
  { metric: 'rmse', head: 'RMSE $', factor: 1, digits: 1 },
];
const DIAMONDS = { batchSize: 256, learningRate: 0.003, weightDecay: 0.01 };
const LANGUAGES = { batchSize: 64, epochs: 4, learningRate: 0.003, weightDecay: 0.1 };

const TASKS: Readonly<Record<TaskName, Subject>> = {
  diamonds: {
    options: { ...DIAMONDS, graph: 'mlp-diamonds', epochs: 40 },
    scores: DOLLARS,
    checkedSteps: 20,
  },
  'diamonds-ft-transformer': {
    options: { ...DIAMONDS, graph: 'ft-transformer-diamonds', epochs: 3, learningRate: 0.001 },
    scores: DOLLARS,
    checkedSteps: 8,
  },
  languages: { options: { ...LANGUAGES, graph: 'text-small' }, scores: ACCURACY, checkedSteps: 20 },
  'languages-lstm': { options: { ...LANGUAGES, graph: 'lstm-text' }, scores: ACCURACY, checkedSteps: 20 },
  'languages-gru': { options: { ...LANGUAGES, graph: 'gru-text' }, scores: ACCURACY, checkedSteps: 20 },
  // Without augmentation both sides see the same pixels.
  cifar10: {
    options: {
      ...{ graph: 'resnet-18-cifar10', epochs: 5, batchSize: 32, learningRate: 0.001, weightDecay: 0.05 },
      ...{ warmupEpochs: 1, augment: 'none' },
    },
    scores: ACCURACY,
    checkedSteps: 5,
  },
};
const DEFAULT_TASKS: readonly TaskName[] = ['diamonds', 'languages'];

const TABLE = {
  task: text({
    group: 'What to measure',
    help: `Tasks: ${TASK_NAMES.join(', ')}, which needs --data.`,
    placeholder: 'NAMES',
    default: DEFAULT_TASKS.join(),
  }),
  gr: text({
    group: 'What to measure',
    help: 'Regularization: none, exact (lambda 0.01).',
    placeholder: 'KINDS',
    default: REGULARIZERS.join(),
  }),
  peerGr: text({
    group: 'What to measure',
    help: 'With which of them PyTorch trains, too.',
    placeholder: 'KINDS',
    default: undefined,
    unset: 'those of --gr',
  }),
  epochs: integer(
    { min: 1 },
    { group: 'What to measure', help: 'Epochs of a run.', default: undefined, unset: 'those of the task' },
  ),
  data: text({
    group: 'What to measure',
    help: 'Folder of CIFAR-10.',
    placeholder: 'DIR',
    default: undefined,
  }),
  trainFraction: number(
    { above: 0, max: 1 },
    { group: 'What to measure', help: 'Share of the training examples.', default: 1 },
  ),
  seeds: text({
    group: 'What to measure',
    help: 'A run for each, of both sides.',
    placeholder: 'N,…',
    default: '0,1,2',
  }),
  check: toggle({
    group: 'What to measure',
    help: 'Compare the losses of the first steps without warmup instead, from the same weights and with the same batches.',
    default: false,
  }),
  sameStart: toggle({
    group: 'How',
    help: 'PyTorch begins with the weights of ours, and takes the examples in the same order.',
    default: false,
  }),
  threads: integer({ min: 1 }, { group: 'How', help: 'CPU threads.', default: availableParallelism() }),
  python: text({
    group: 'How',
    help: 'Python with torch, safetensors and numpy (scripts/peers/requirements.txt).',
    placeholder: 'COMMAND',
    default: 'python3',
  }),
  ...OUTPUT_FLAGS,
  ...COMMON_FLAGS,
} as const satisfies OptionTable;
type Values = Flags<typeof TABLE>['values'];

/** In float32: the two sum in other orders, and the steps carry on what that changes. */
const TOLERANCE = 1e-4;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about =
      'Trains on a table and on texts, and beside it PyTorch with the same model on the same arrays. Linux only.';
    const examples = [
      'npm run bench:tasks -- --python venv/bin/python',
      'npm run bench:tasks -- --python venv/bin/python --check',
      'npm run bench:tasks -- --task languages --epochs 2 --seeds 0,1 --gr none',
    ];
    console.log(helpText(TABLE, { about, usage: 'npm run bench:tasks -- [options]', examples }));
    return;
  }
  const names = namesIn('--task', values.task, TASK_NAMES);
  const kinds = namesIn('--gr', values.gr, REGULARIZERS);
  const seeds = seedsIn(values.seeds);
  expectTorch(values.python, '--python');
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-tasks-'));
  const sections: Section[] = [];
  const results: unknown[] = [];
  console.log(`${machineLine()}\n`);
  try {
    for (const name of names) {
      const shared = await shareTask(optionsOf(name, 'none', 0, values), folder);
      const { section, data } = values.check
        ? checkTask(name, shared, kinds, seeds, values)
        : benchTask(name, shared, kinds, seeds, values);
      sections.push(section);
      results.push(data);
      console.log(renderSection(section).join('\n'));
      if (values.markdown !== undefined) {
        writeFileSync(values.markdown, `${sections.flatMap(renderSection).join('\n').trimEnd()}\n`);
      }
      if (values.json !== undefined) {
        writeFileSync(
          values.json,
          `${JSON.stringify({ machine: machine(), options: values, results }, null, 2)}\n`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Throws UserError where one is no integer from 0 on, or stands there twice. */
function seedsIn(list: string): number[] {
  const seeds = list.split(',');
  if (seeds.every((seed) => /^\d{1,9}$/.test(seed)) && new Set(seeds.map(Number)).size === seeds.length) {
    return seeds.map(Number);
  }
  throw new UserError(`--seeds ${list}: expected different integers from 0 on, with commas between: 0,1,2`);
}

function optionsOf(
  name: TaskName,
  gr: Gr,
  seed: number,
  { epochs, threads, data, trainFraction }: Values,
): TaskOptions {
  const { options } = TASKS[name];
  return {
    ...options,
    ...{ gr, seed, threads, trainFraction, epochs: epochs ?? options.epochs },
    ...(data !== undefined && name === 'cifar10' && { data }),
    ...(gr === 'exact' && { lambda: 0.01 }),
  };
}

interface Row {
  readonly by: 'ortgrad' | 'PyTorch';
  readonly gr: Gr;
  readonly seed: number;
  readonly run: TaskRun;
}

type Outcome = { readonly section: Section; readonly data: unknown };

/** Both sides in turn, seed by seed, so that a machine that changes its speed changes both. */
function benchTask(
  name: TaskName,
  shared: SharedTask,
  kinds: readonly Gr[],
  seeds: readonly number[],
  values: Values,
): Outcome {
  const peerKinds = namesIn('--peer-gr', values.peerGr ?? values.gr, REGULARIZERS);
  const rows: Row[] = [];
  // Each run is shown when it ends, since all of them take long.
  const take = (row: Row): void => {
    rows.push(row);
    console.log(`${name}, ${lineOf(row)}`);
  };
  for (const seed of seeds) {
    for (const gr of kinds) {
      const options = optionsOf(name, gr, seed, values);
      take({ by: 'ortgrad', gr, seed, run: runOurs(shared, options) });
      if (peerKinds.includes(gr)) take({ by: 'PyTorch', gr, seed, run: peerRun(shared, options, values) });
    }
  }
  const { epochs, batchSize } = optionsOf(name, 'none', 0, values);
  const scores: readonly Score[] = [...TASKS[name].scores, LOSS];
  return {
    section: {
      title: `${name}: ${counted(epochs, 'epoch')}, batch ${batchSize}, seeds ${seeds.join(', ')}`,
      head: [
        'gr',
        'by',
        ...scores.map(({ head }) => head),
        's',
        'CPU s',
        'MB',
        's ÷ ours',
        'CPU s ÷ ours',
        'MB ÷ ours',
      ],
      words: 2,
      rows: kinds.flatMap((gr) => [
        cellsOf(rows, gr, 'ortgrad', scores),
        ...(peerKinds.includes(gr) ? [cellsOf(rows, gr, 'PyTorch', scores)] : []),
      ]),
      notes: [],
    },
    data: { task: name, rows: rows.map(({ run: { losses: _, ...run }, ...row }) => ({ ...row, ...run })) },
  };
}

function peerRun(shared: SharedTask, options: TaskOptions, { sameStart, python }: Values): TaskRun {
  const stepsPerEpoch = Math.floor(shared.dataset.train.length / options.batchSize);
  return runPeer(shared, options, python, sameStart ? { steps: options.epochs * stepsPerEpoch } : undefined);
}

function lineOf({ by, gr, seed, run: { metrics, seconds, cpu, peak } }: Row): string {
  const scores = Object.entries(metrics).map(([name, value]) => `${name} ${value.toPrecision(5)}`);
  const cost = `${seconds.toFixed(1)} s, ${cpu.toFixed(1)} CPU s, ${fixed(peak / 1e6)} MB`;
  return `${gr}, seed ${seed}, ${by}: ${scores.join(', ')}; ${cost}`;
}

function cellsOf(rows: readonly Row[], gr: Gr, by: Row['by'], scores: readonly Score[]): string[] {
  const runsBy = (side: Row['by']) =>
    rows.filter((row) => row.gr === gr && row.by === side).map(({ run }) => run);
  const [runs, ours] = [runsBy(by), runsBy('ortgrad')];
  const shown = scores.map(({ metric, factor, digits }) => {
    const all = spread(runs.map(({ metrics }) => factor * (metrics[metric] ?? Number.NaN)));
    return `${fixed(all?.mean, digits)} ± ${fixed(all?.sd ?? undefined, digits) || '?'}`;
  });
  const ratio = (of: (run: TaskRun) => number) =>
    by === 'ortgrad' ? '' : fixed(medianRatio(runs.map(of), ours.map(of)), 2, '×');
  const middle = (of: (run: TaskRun) => number, digits: number) => fixed(median(runs.map(of)), digits);
  return [
    ...[gr, by, ...shown],
    ...[
      middle(({ seconds }) => seconds, 1),
      middle(({ cpu }) => cpu, 1),
      middle(({ peak }) => peak / 1e6, 0),
    ],
    ...[ratio(({ seconds }) => seconds), ratio(({ cpu }) => cpu), ratio(({ peak }) => peak)],
  ];
}

/** Sets the exit code where the losses differ by more than the tolerance. */
function checkTask(
  name: TaskName,
  shared: SharedTask,
  kinds: readonly Gr[],
  seeds: readonly number[],
  values: Values,
): Outcome {
  const { checkedSteps } = TASKS[name];
  const compared = seeds.flatMap((seed) =>
    kinds.map((gr) => {
      // Without warmup the weights move at once, and the penalty counts from the first step on.
      const options = { ...optionsOf(name, gr, seed, values), warmupEpochs: 0, maxSteps: checkedSteps };
      const ours = runOurs(shared, options);
      const theirs = runPeer(shared, options, values.python, { steps: checkedSteps });
      const [first, last] = [ours.losses[0], ours.losses.at(-1)];
      return { seed, gr, first, last, worst: worstLoss(ours.losses, theirs.losses) };
    }),
  );
  if (compared.some(({ worst }) => !(worst <= TOLERANCE))) process.exitCode = 1;
  return {
    section: {
      title: `${name}: losses of ${checkedSteps} steps from the same weights`,
      head: ['gr', 'seed', 'first loss', 'last loss', 'worst difference', `within ${TOLERANCE}`],
      words: 1,
      rows: compared.map(({ gr, seed, first, last, worst }) => [
        ...[gr, String(seed), fixed(first, 4), fixed(last, 4), worst.toExponential(1)],
        worst <= TOLERANCE ? 'yes' : 'no',
      ]),
      notes: [],
    },
    data: { task: name, compared },
  };
}
