/**
 * `npm run bench:graphs -- --before FOLDER`: the training graphs of this checkout beside those of another one, whose
 * `npm run graphs` has been run. For each graph that both have: how far the results are apart at equal inputs, and the
 * ratios of time and of peak memory. Rounds run both in turn, in one process; memory is that of a process each.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSession } from '#runtime';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { print } from '../src/cli/print.ts';
import { integer, type OptionTable, text, toggle } from '../src/config/options.ts';
import { UserError } from '../src/errors.ts';
import { readJsonFile } from '../src/json-file.node.ts';
import { median } from '../src/median.ts';
import { Random } from '../src/random.ts';
import type { Session, Tensor } from '../src/runtime/session.ts';
import { medianRatio, norm } from './bench/statistics.ts';

const TABLE = {
  before: text({
    group: 'Benchmark',
    help: 'The other checkout.',
    placeholder: 'FOLDER',
    default: undefined,
  }),
  graphs: text({
    group: 'Benchmark',
    help: 'Names of graphs, with commas between them.',
    placeholder: 'NAMES',
    default: 'vit-micro-mnist,vit-ti-cifar10',
  }),
  rounds: integer({ min: 1 }, { group: 'Benchmark', help: 'Rounds.', default: 10 }),
  memory: toggle({ group: 'Benchmark', help: 'Measure memory too.', default: true }),
  subject: text({
    group: 'Benchmark',
    help: 'Used by the benchmark itself: runs one file and tells its memory.',
    placeholder: 'FILE',
    default: undefined,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const KINDS = ['loss-grad', 'gr-exact', 'hvp'] as const;

interface Input {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

interface Written {
  readonly file: string;
  readonly inputs: readonly Input[];
}

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Compares the training graphs of this checkout with those of another one.';
    const usage = 'npm run bench:graphs -- --before FOLDER [--graphs NAMES]';
    print(helpText(TABLE, { about, usage, examples: [] }));
    return;
  }
  if (values.subject !== undefined) {
    await runOnce(path.dirname(values.subject), path.basename(values.subject));
    process.stdout.write(`${process.resourceUsage().maxRSS * 1024}\n`);
    return;
  }
  if (values.before === undefined) throw new UserError('--before: expected the folder of another checkout');
  print('graph                       kind       largest difference   time   memory (after / before)');
  for (const name of values.graphs.split(',')) {
    for (const kind of KINDS) {
      const folders = [path.join(values.before, 'graphs', name), path.join('graphs', name)];
      if (!folders.every((folder) => existsSync(path.join(folder, `${kind}.onnx`)))) continue;
      print(await compared(name, kind, folders, values.rounds, values.memory));
    }
  }
});

async function compared(
  name: string,
  kind: string,
  [before = '', after = '']: readonly string[],
  rounds: number,
  withMemory: boolean,
): Promise<string> {
  const sides = await Promise.all([before, after].map((folder) => open(folder, kind)));
  const [first, second] = sides;
  if (!first || !second) throw new Error('internal: two sides');
  const difference = apart(await first.run(), await second.run());
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // The one that goes first changes with each round.
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const begin = performance.now();
      await sides[side]?.run();
      times[side]?.push(performance.now() - begin);
    }
  }
  for (const side of sides) await side.session.release();
  const shortest = Math.min(...times[1]) / Math.min(...times[0]);
  const memory = withMemory ? memoryOf(after, kind) / memoryOf(before, kind) : Number.NaN;
  const time = `${medianRatio(times[1], times[0]).toFixed(3)} (shortest ${shortest.toFixed(3)}; ${median(times[1]).toFixed(1)} ms)`;
  return `${name.padEnd(28)}${kind.padEnd(11)}${difference.padEnd(26)}${time}  ${memory.toFixed(3)}`;
}

/** The largest relative difference, in the l2 norm, of the outputs that both give. */
function apart(before: Readonly<Record<string, Tensor>>, after: Readonly<Record<string, Tensor>>): string {
  let largest = { name: '', value: 0 };
  for (const [name, { data }] of Object.entries(after)) {
    const other = before[name]?.data;
    if (!(data instanceof Float32Array && other instanceof Float32Array)) continue;
    const value = norm(data.map((x, i) => x - (other[i] ?? Number.NaN))) / (norm(other) || 1);
    if (!(value <= largest.value)) largest = { name, value };
  }
  return largest.value === 0 ? 'equal to the last bit' : `${largest.value.toExponential(1)} ${largest.name}`;
}

async function open(
  folder: string,
  kind: string,
): Promise<{ readonly session: Session; run(): Promise<Record<string, Tensor>> }> {
  const { file, inputs } = await described(folder, kind);
  const session = await createSession(file, { device: 'cpu', threads: availableParallelism() });
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, made(input, inputs)]));
  return { session, run: () => session.run(feeds) };
}

async function described(folder: string, kind: string): Promise<Written> {
  const manifest: unknown = await readJsonFile(path.join(folder, 'manifest.json'));
  const graphs: unknown = Reflect.get(Object(manifest), 'graphs');
  const { inputs } = Object(Reflect.get(Object(graphs), kind));
  if (!Array.isArray(inputs)) {
    throw new UserError(
      `${folder}: no ${kind} in its manifest.json; run \`npm run graphs\` in that checkout`,
    );
  }
  return {
    file: path.join(folder, `${kind}.onnx`),
    inputs: inputs.map(({ name, dtype, shape }) => ({
      name: String(name),
      dtype: String(dtype),
      shape: [...shape].map(Number),
    })),
  };
}

/** The same numbers on both sides, whatever an input is called there. */
function made({ name, dtype, shape }: Input, all: readonly Input[]): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (name === 'label_smoothing' || name === 'scalar/labelSmoothing') return scalar(0.1);
  if (name === 'lambda') return scalar(0.05);
  if (name.startsWith('weight/')) {
    return scalar(all.find((input) => input.name === 'labels')?.shape[0] ?? 1);
  }
  const random = new Random(
    1,
    'sample',
    [...name].reduce((sum, char) => sum + char.charCodeAt(0), 0),
  );
  if (dtype === 'int32') {
    return { dtype: 'int32', shape, data: Int32Array.from({ length: size }, () => random.integer(10)) };
  }
  const center = name.endsWith('scale') ? 1 : 0;
  const width = name === 'images' ? 1 : 0.05;
  const data = Float32Array.from({ length: size }, () => center + width * random.normal());
  return { dtype: 'float32', shape, data };
}

function scalar(value: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) };
}

async function runOnce(folder: string, kind: string): Promise<void> {
  const { run } = await open(folder, kind);
  for (let i = 0; i < 3; i++) await run();
}

/** Bytes at the peak of a process that runs the graph three times. */
function memoryOf(folder: string, kind: string): number {
  const script = fileURLToPath(import.meta.url);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, script, '--subject', path.join(path.resolve(folder), kind)],
    { encoding: 'utf8' },
  );
  const bytes = Number(stdout);
  if (!(bytes > 0)) throw new UserError(`${folder}: ${kind}: ${stderr.trim() || 'it told no memory'}`);
  return bytes;
}
