/**
 * `npm run zoo`: trains each small graph from nothing, as `npm run train` does, and writes the table of docs/models.md:
 * parameters, score on the test examples, time. The large graphs have their parameters counted.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { TaskGraphs } from '../src/artifacts/graphs.ts';
import { listGraphs, openGraph } from '../src/artifacts/store.node.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable, text } from '../src/config/options.ts';
import { judgeOf, metricText } from '../src/metrics/info.ts';
import { sizeOf } from '../src/onnx/shapes.ts';
import { infosOf } from '../src/tasks/infos.ts';
import { namesIn, OUTPUT_FLAGS } from './bench/flags.ts';
import { machineLine } from './bench/machine.ts';
import { renderSection, type Section } from './bench/section.ts';
import { runOurs, type TaskOptions, type TaskRun } from './bench/task-runs.ts';

type Recipe = Pick<TaskOptions, 'epochs' | 'batchSize' | 'learningRate' | 'weightDecay'>;

const IMAGES: Recipe = { epochs: 10, batchSize: 64, learningRate: 0.002, weightDecay: 0.05 };
const TEXTS: Recipe = { epochs: 6, batchSize: 64, learningRate: 0.003, weightDecay: 0.1 };
const TABLES: Recipe = { epochs: 10, batchSize: 256, learningRate: 0.003, weightDecay: 0.01 };

/** The graphs that two cores train in minutes, and what each is trained with: AdamW, without regularization. */
const RECIPES: Readonly<Record<string, Recipe>> = {
  'vit-micro-cifar10': IMAGES,
  'swin-micro-cifar10': IMAGES,
  'cait-micro-cifar10': IMAGES,
  'resnet-micro-cifar10': IMAGES,
  'wrn-micro-cifar10': IMAGES,
  'pyramidnet-micro-cifar10': IMAGES,
  'vgg-micro-cifar10': IMAGES,
  'lstm-text': TEXTS,
  'gru-text': TEXTS,
  'text-small': TEXTS,
  'mlp-diamonds': TABLES,
  'ft-transformer-diamonds': TABLES,
};

const TABLE = {
  graphs: text({
    group: 'What to train',
    help: `Some of ${Object.keys(RECIPES).join(', ')}.`,
    placeholder: 'NAMES',
    default: Object.keys(RECIPES).join(),
    unset: 'all of them',
  }),
  data: text({
    group: 'What to train',
    help: 'Folder of CIFAR-10.',
    placeholder: 'DIR',
    default: undefined,
    unset: 'graphs of CIFAR-10 are only counted',
  }),
  epochs: integer(
    { min: 1 },
    { group: 'What to train', help: 'Epochs of each run.', default: undefined, unset: '10; 6 for texts' },
  ),
  out: text({
    group: 'How',
    help: 'Folder to keep the runs in, for npm run report.',
    placeholder: 'FOLDER',
    default: undefined,
    unset: 'they are removed',
  }),
  threads: integer({ min: 1 }, { group: 'How', help: 'CPU threads.', default: availableParallelism() }),
  ...OUTPUT_FLAGS,
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Trains each small graph from nothing, and tells its score and its time. Linux only.';
    const examples = ['npm run zoo -- --data ~/cifar-10-batches-bin --markdown zoo.md'];
    console.log(helpText(TABLE, { about, usage: 'npm run zoo -- [options]', examples }));
    return;
  }
  const wanted = new Set(namesIn('--graphs', values.graphs, Object.keys(RECIPES)));
  const folder = values.out ?? mkdtempSync(path.join(tmpdir(), 'ortgrad-zoo-'));
  mkdirSync(folder, { recursive: true });
  if (values.out === undefined) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const section: Section = {
    title: 'Graphs',
    head: ['graph', 'parameters', 'epochs', 'score', 'min', 'CPU min', 'MB'],
    words: 1,
    rows: [],
    notes: [machineLine()],
  };
  const rows: string[][] = [];
  for (const name of listGraphs()) {
    const recipe = wanted.has(name) ? RECIPES[name] : undefined;
    const row = await rowOf(name, recipe, { ...values, folder });
    console.log(row.join('  '));
    rows.push(row);
  }
  const lines = renderSection({ ...section, rows });
  console.log(lines.join('\n'));
  if (values.markdown !== undefined) writeFileSync(values.markdown, `${lines.join('\n').trimEnd()}\n`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
});

interface Settings {
  readonly data?: string | undefined;
  readonly epochs?: number | undefined;
  readonly threads: number;
  readonly folder: string;
}

async function rowOf(
  name: string,
  recipe: Recipe | undefined,
  { data, epochs, threads, folder }: Settings,
): Promise<string[]> {
  const { task } = await openGraph(name);
  const { parameters } = new TaskGraphs(task, { batch: 1 });
  const count = parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0).toLocaleString('en');
  const isOfPictures = name.endsWith('-cifar10');
  if (recipe === undefined || (isOfPictures && data === undefined)) return [name, count];
  const options: TaskOptions = {
    ...recipe,
    ...{ graph: name, epochs: epochs ?? recipe.epochs, gr: 'none', seed: 0, threads },
    ...(isOfPictures && data !== undefined && { data }),
  };
  const run = runOurs({ folder }, options);
  return [name, count, String(options.epochs), scoreOf(run, judgeOf(infosOf(task))), ...costOf(run)];
}

function scoreOf({ metrics }: TaskRun, judge: ReturnType<typeof judgeOf>): string {
  return `${metricText(judge, metrics[judge.name] ?? Number.NaN, 1)} ${judge.label}`;
}

function costOf({ seconds, cpu, peak }: TaskRun): string[] {
  return [(seconds / 60).toFixed(1), (cpu / 60).toFixed(1), (peak / 1e6).toFixed(0)];
}
