/**
 * `npm run bench`: time, arithmetic rate and memory of the steps of training, in rounds that visit every subject in
 * turn with a product of 2048×2048 matrices between any two, so that a machine whose speed drifts does not mislead:
 * ratios are medians over pairs of the same round.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGraphs } from '../src/artifacts/build.ts';
import { openGraph } from '../src/artifacts/store.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { UserError } from '../src/errors.ts';
import { initialize, type Parameter } from '../src/models/scope.ts';
import { VIT_VARIANTS } from '../src/models/vit.ts';
import { matmulFlops } from '../src/passes/flops.ts';
import { Random } from '../src/random.ts';
import { integer, type OptionTable, text, toggle } from '../src/train/options.ts';
import { decodeSafetensors, encodeSafetensors } from '../src/train/safetensors.ts';
import { median } from './bench/median.ts';
import { type Job, type Subject, startSubject, type Timing, WORK, type Work } from './bench/protocol.ts';

const TABLE = {
  graphs: text({
    group: 'Benchmark',
    help: 'Graphs of Vision Transformers, with commas between.',
    placeholder: 'NAMES',
    default: 'vit-ti-cifar10',
  }),
  work: text({
    group: 'Benchmark',
    help: `Of ${WORK.join(', ')}.`,
    placeholder: 'KINDS',
    default: WORK.join(),
  }),
  batch: integer(
    { min: 1 },
    { group: 'Benchmark', help: 'Images a step.', default: undefined, unset: "the spec's microBatch" },
  ),
  microBatch: integer(
    { min: 1 },
    {
      group: 'Benchmark',
      help: 'Images a run of our graphs.',
      default: undefined,
      unset: 'all of the batch',
    },
  ),
  rounds: integer(
    { min: 1 },
    { group: 'Benchmark', help: 'Rounds counted, after two that are not.', default: 7 },
  ),
  threads: integer({ min: 1 }, { group: 'Benchmark', help: 'CPU threads.', default: cpus().length }),
  peers: toggle({
    group: 'Benchmark',
    help: 'Time PyTorch in the same rounds and compare its numbers first.',
    default: false,
  }),
  compile: toggle({ group: 'Benchmark', help: 'PyTorch through torch.compile.', default: false }),
  python: text({
    group: 'Benchmark',
    help: 'Python with torch and safetensors.',
    placeholder: 'COMMAND',
    default: 'python3',
  }),
  markdown: text({
    group: 'Benchmark',
    help: 'Write the table as Markdown, too.',
    placeholder: 'FILE',
    default: undefined,
  }),
  json: text({
    group: 'Benchmark',
    help: 'Write every figure as JSON, too.',
    placeholder: 'FILE',
    default: undefined,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** Matrix products of each kind of work, in forward passes: a gradient costs two more, its tangent twice that again. */
const PASSES: Readonly<Record<Work, number>> = { forward: 1, gradient: 3, 'train-step': 3, fd: 6, exact: 9 };
const GEMM_FLOPS = 2 * 2048 ** 3;
const WARMUP_ROUNDS = 2;

interface Row {
  readonly graph: string;
  readonly work: Work;
  readonly subject: string;
  readonly median_ms: number;
  readonly min_ms: number;
  readonly gflops: number;
  /** Of the rate of the 2048×2048 product before it. */
  readonly gemm_share: number;
  readonly peak_mb: number;
  /** Peer's time over ours. */
  readonly speedup?: number;
  readonly adamw_ms?: number;
  readonly create_ms?: number;
  readonly generate_ms?: number;
}

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Times forward pass, gradient, training step, finite-difference and exact gradient regularization.',
        usage: 'npm run bench -- [options]',
        examples: [
          'npm run bench',
          'npm run bench -- --graphs vit-ti-cifar10,vit-s-cifar10 --peers --python venv/bin/python',
        ],
      }),
    );
    return;
  }
  const kinds = values.work.split(',').map((name) => {
    const kind = WORK.find((each) => each === name);
    if (!kind) throw new UserError(`--work ${name}: expected some of ${WORK.join(', ')}`);
    return kind;
  });
  if (values.peers) expectTorch(values.python);
  const rows: Row[] = [];
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-bench-'));
  try {
    for (const graph of values.graphs.split(','))
      rows.push(...(await benchmark(graph, kinds, folder, values)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const lines = table(rows);
  console.log(lines.join('\n'));
  if (values.markdown !== undefined) writeFileSync(values.markdown, `${lines.join('\n')}\n`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
});

function expectTorch(python: string): void {
  const { status } = spawnSync(python, ['-c', 'import torch, safetensors'], { stdio: 'ignore' });
  if (status !== 0) {
    throw new UserError(
      `--peers: ${python} has no torch and safetensors; pip install -r scripts/peers/requirements.txt in a virtual environment and name it: --python venv/bin/python`,
    );
  }
}

interface Settings {
  readonly batch?: number | undefined;
  readonly microBatch?: number | undefined;
  readonly rounds: number;
  readonly threads: number;
  readonly peers: boolean;
  readonly compile: boolean;
  readonly python: string;
}

async function benchmark(
  graph: string,
  kinds: readonly Work[],
  folder: string,
  settings: Settings,
): Promise<Row[]> {
  const { job, forwardFlops } = await prepare(graph, folder, settings);
  const here = path.dirname(fileURLToPath(import.meta.url));
  const ours = (name: string) =>
    startSubject(name, process.execPath, [...process.execArgv, path.join(here, 'bench', 'subject.ts')]);
  const gemm = ours('matmul');
  await gemm.load({ ...job, graph: '' });
  const pairs: { work: Work; subject: Subject; generate: number; timings: Timing[]; shares: number[] }[] = [];
  for (const work of kinds) {
    const subjects = [ours('ortgrad')];
    if (settings.peers)
      subjects.push(startSubject('PyTorch', settings.python, [path.join(here, 'peers', 'torch_vit.py')]));
    for (const subject of subjects) {
      const generate = await subject.load({ ...job, what: [work] });
      pairs.push({ work, subject, generate, timings: [], shares: [] });
    }
    const [a, b] = subjects;
    if (a && b && work !== 'forward') await compare(a, b, work, folder);
  }
  for (let round = -WARMUP_ROUNDS; round < settings.rounds; round++) {
    for (const { work, subject, timings, shares } of pairs) {
      const yardstick = await gemm.run('matmul');
      const timing = await subject.run(work);
      if (round < 0) continue;
      timings.push(timing);
      shares.push((PASSES[work] * forwardFlops) / timing.ms / (GEMM_FLOPS / yardstick.ms));
    }
    if (process.stderr.isTTY)
      process.stderr.write(`\r${graph}: round ${Math.max(0, round + 1)} of ${settings.rounds} `);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  await Promise.all([gemm, ...pairs.map(({ subject }) => subject)].map((subject) => subject.close()));
  return pairs.map(({ work, subject, generate, timings, shares }): Row => {
    const times = timings.map(({ ms }) => ms);
    const peer = pairs.find(
      (each) => each.work === work && each.subject !== subject && subject.name === 'ortgrad',
    );
    const own = subject.name === 'ortgrad';
    return {
      graph: `${graph} ×${job.batch}${job.microBatch === job.batch ? '' : ` by ${job.microBatch}`}`,
      work,
      subject: subject.name,
      median_ms: median(times),
      min_ms: Math.min(...times),
      gflops: (PASSES[work] * forwardFlops) / median(times) / 1e6,
      gemm_share: median(shares),
      peak_mb: Math.max(...timings.map(({ peak }) => peak)) / 1e6,
      ...(peer ? { speedup: median(peer.timings.map(({ ms }, i) => ms / (times[i] ?? Number.NaN))) } : {}),
      ...(own && work === 'train-step' ? { adamw_ms: median(timings.map(({ adamw }) => adamw)) } : {}),
      ...(own ? { create_ms: timings[0]?.create ?? 0, generate_ms: generate } : {}),
    };
  });
}

/** Weights and images for both sides, drawn from a seed; the head is not zero, so that every gradient has a size. */
async function prepare(
  graph: string,
  folder: string,
  { batch: given, microBatch, threads, compile }: Settings,
) {
  const { spec } = await openGraph(graph);
  const { model, image, classes } = spec;
  if (model.kind !== 'vit')
    throw new UserError(`--graphs ${graph}: expected a Vision Transformer, got ${model.kind}`);
  const batch = given ?? spec.microBatch;
  const { parameters, graphs } = buildGraphs(spec, batch);
  const weights = parameters.map(({ path: name, shape, init }: Parameter) => {
    const data = new Float32Array(shape.reduce((size, dim) => size * dim, 1));
    initialize(data, name, shape, name === 'head/kernel' ? { kind: 'normal', std: 0.02 } : init, 0);
    return { name, shape, data };
  });
  const random = new Random(0, 'sample');
  const size = batch * image.channels * image.height * image.width;
  const inputs = [
    {
      name: 'images',
      shape: [batch, image.channels, image.height, image.width],
      data: Float32Array.from({ length: size }, () => random.normal()),
    },
    {
      name: 'labels',
      shape: [batch],
      data: Int32Array.from({ length: batch }, () => random.integer(classes)),
    },
  ];
  const files = {
    weights: path.join(folder, 'weights.safetensors'),
    inputs: path.join(folder, 'inputs.safetensors'),
  };
  writeFileSync(files.weights, Buffer.concat(encodeSafetensors(weights)));
  writeFileSync(files.inputs, Buffer.concat(encodeSafetensors(inputs)));
  const row = { width: 0, layers: 0, heads: 0, ...(model.variant ? VIT_VARIANTS[model.variant] : {}) };
  const width = model.width ?? row.width;
  const job: Job = {
    graph,
    model: {
      patch: model.patch,
      width,
      layers: model.layers ?? row.layers,
      heads: model.heads ?? row.heads,
      mlp: Math.round(width * model.mlpRatio),
      pool: model.pool,
    },
    image,
    classes,
    batch,
    microBatch: microBatch ?? batch,
    ...files,
    lambda: 0.1,
    r: 0.1,
    alpha: 0.5,
    labelSmoothing: 0,
    threads,
    compile,
  };
  // The products of a gradient graph that lead to the logits alone: the forward pass at a static batch.
  const { logits } = graphs['loss-grad'].outputs;
  const forwardFlops = logits ? matmulFlops({ name: 'forward', inputs: [], outputs: { logits } }) : 0;
  return { job, forwardFlops };
}

/** Times of different results are not compared. */
async function compare(ours: Subject, peer: Subject, work: Work, folder: string): Promise<void> {
  const files = [path.join(folder, 'ours.safetensors'), path.join(folder, 'peer.safetensors')] as const;
  await ours.run(work);
  await ours.results(work, files[0]);
  await peer.results(work, files[1]);
  const [a, b] = files.map(
    (file) =>
      new Map(
        decodeSafetensors(new Uint8Array(readFileSync(file)), file).tensors.map(({ name, data }) => [
          name,
          Array.from(data, Number),
        ]),
      ),
  );
  const whole = Math.hypot(
    ...[...(b ?? [])].flatMap(([name, data]) =>
      name.startsWith('grad/') ? [Math.hypot(...chunked(data))] : [],
    ),
  );
  let worst = 0;
  for (const [name, expected] of b ?? []) {
    const got = a?.get(name);
    if (name === 'logits') continue;
    const norm = Math.hypot(...chunked(expected));
    const error = Math.hypot(...chunked(expected.map((x, i) => (got?.[i] ?? Number.NaN) - x)));
    // A tensor whose true gradient is zero (a key's bias) is measured against the whole.
    worst = Math.max(worst, error / (norm > 1e-5 * whole || !name.startsWith('grad/') ? norm : whole));
  }
  if (!(worst < 1e-3))
    throw new UserError(`${work}: ${ours.name} and ${peer.name} differ by ${worst} relative; not timed`);
  console.log(
    `${work}: loss, norm and every gradient tensor agree with ${peer.name} to ${worst.toExponential(1)} relative`,
  );
}

/** Norms of slices, since a call takes only so many arguments. */
function chunked(values: readonly number[]): number[] {
  const norms: number[] = [];
  for (let i = 0; i < values.length; i += 1000) norms.push(Math.hypot(...values.slice(i, i + 1000)));
  return norms.length > 1000 ? chunked(norms) : norms;
}

function table(rows: readonly Row[]): string[] {
  const head = ['graph', 'work', 'by', 'ms', 'min', 'GFLOP/s', 'of GEMM', 'MB', 'speed'];
  const body = rows.map((row) => [
    row.graph,
    row.work,
    row.subject,
    row.median_ms.toFixed(0),
    row.min_ms.toFixed(0),
    row.gflops.toFixed(0),
    `${(100 * row.gemm_share).toFixed(0)} %`,
    row.peak_mb.toFixed(0),
    row.speedup === undefined ? '' : `${row.speedup.toFixed(2)}×`,
  ]);
  const widths = head.map((title, i) =>
    Math.max(title.length, ...body.map((cells) => cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i < 3 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i < 3 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const notes = rows.flatMap(({ graph, work, median_ms, adamw_ms, create_ms, generate_ms }) => [
    ...(adamw_ms === undefined
      ? []
      : [
          `${graph}: clipping and AdamW ${adamw_ms.toFixed(1)} ms, ${((100 * adamw_ms) / median_ms).toFixed(1)} % of a training step`,
        ]),
    ...(work !== 'exact' || create_ms === undefined
      ? []
      : [
          `${graph}: graphs written in ${generate_ms?.toFixed(0)} ms, session of exact GR created in ${create_ms.toFixed(0)} ms`,
        ]),
  ]);
  return [line(head), rule, ...body.map(line), '', ...notes];
}
