/**
 * `npm run bench:memory`: compares the peak memory of real training runs with its estimate. The images are made up, and
 * each run has a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openGraph } from '../src/artifacts/store.node.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable, text } from '../src/config/options.ts';
import { UserError } from '../src/errors.ts';
import { Random } from '../src/random.ts';

const USUAL = [
  'vit-micro-mnist:exact:64:64:fast',
  ...['none', 'fd', 'exact'].flatMap((gr) =>
    ['fast', 'lean', 'remat'].map((memory) => `vit-ti-cifar10:${gr}:32:32:${memory}`),
  ),
  'vit-ti-cifar10:exact:32:8:fast',
  'vit-ti-cifar10:exact:32:8:lean',
  'vit-s-cifar10:exact:16:16:fast',
  'vit-b-cifar10:exact:8:8:lean',
  'vit-b-cifar10:exact:8:8:remat',
];

const TABLE = {
  runs: text({
    group: 'Benchmark',
    help: 'GRAPH:GR:BATCH:MICROBATCH:MEMORY, separated by commas. Graphs are those of CIFAR-10 or MNIST.',
    placeholder: 'RUNS',
    default: USUAL.join(),
    unset: 'runs of ViT-micro, Ti, S and B',
  }),
  steps: integer({ min: 2 }, { group: 'Benchmark', help: 'Steps of a run.', default: 3 }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

interface Report {
  readonly estimate: number;
  readonly peak: number;
  readonly ms: readonly number[];
  readonly stages: Readonly<Record<string, number>>;
}

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Compares the memory that training runs take with the estimate made before they start. Linux only.',
        usage: 'npm run bench:memory -- [options]',
        examples: ['npm run bench:memory', 'npm run bench:memory -- --runs vit-b-cifar10:exact:16:8:lean'],
      }),
    );
    return;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-memory-'));
  try {
    console.log('| run | estimate MB | peak MB | peak / estimate | ms a step |');
    console.log('|---|---:|---:|---:|---:|');
    for (const [i, run] of values.runs.split(',').entries()) {
      const { estimate, peak, ms, stages } = await measure(run, path.join(folder, String(i)), values.steps);
      const cells = [run, megabytes(estimate), megabytes(peak), (peak / estimate).toFixed(2)];
      console.log(`| ${[...cells, Math.min(...ms.slice(1)).toFixed(0)].join(' | ')} |`);
      if (values.verbose)
        for (const [stage, bytes] of Object.entries(stages)) console.log(`${stage}: ${megabytes(bytes)} MB`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function measure(run: string, folder: string, steps: number): Promise<Report> {
  const [graph = '', gr, batchSize, microBatch, memory] = run.split(':');
  const { spec } = await openGraph(graph);
  const data = path.join(folder, 'data');
  mkdirSync(data, { recursive: true });
  if (spec.dataset === 'cifar10') writeCifar(data);
  else if (spec.dataset !== 'mnist')
    throw new UserError(`--runs ${run}: expected a graph of CIFAR-10 or MNIST, got ${spec.dataset}`);
  const config = {
    graph,
    gr,
    ...(gr === 'none' ? {} : { grWarmup: 'none' }),
    ...(spec.dataset === 'mnist' ? {} : { data }),
    batchSize: Number(batchSize),
    microBatch: Number(microBatch),
    memory,
    maxSteps: steps,
    checkpointEvery: 1,
  };
  const subject = fileURLToPath(new URL('bench/memory-subject.ts', import.meta.url));
  const child = spawnSync(
    process.execPath,
    [...process.execArgv, subject, JSON.stringify(config), path.join(folder, 'run')],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  if (child.status !== 0) throw new UserError(`--runs ${run}: ${child.stderr.trim().split('\n').at(-1)}`);
  return JSON.parse(child.stdout);
}

/** Made-up CIFAR-10 files: as many training images as there really are, and a few test images. */
function writeCifar(folder: string): void {
  const random = new Random(0, 'sample');
  const noise = Uint8Array.from({ length: 3073 * 100 }, () => random.integer(256));
  for (let i = 0; i < 100; i++) noise[i * 3073] = i % 10;
  writeFileSync(path.join(folder, 'test_batch.bin'), noise);
  const many = Buffer.concat(Array.from({ length: 100 }, () => noise));
  for (let i = 1; i <= 5; i++) writeFileSync(path.join(folder, `data_batch_${i}.bin`), many);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
