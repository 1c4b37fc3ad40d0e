/**
 * The time and memory of a gradient and of exact GR of a Swin or a CaiT, beside timm's in PyTorch eager:
 *
 *     node --conditions=source --import=tsx scripts/timm-times.ts --python venv/bin/python [--profile]
 *
 * Each side runs in processes of its own, in turns. With `--profile` it says instead which ops take the time here, and
 * `--without PASS` leaves a pass out.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import * as v from 'valibot';
import { MEMORY_LEVELS, TaskGraphs } from '../src/artifacts/graphs.ts';
import { openGraph } from '../src/artifacts/store.node.ts';
import { expectOneOf } from '../src/expect.ts';
import { initialize } from '../src/layers/scope.ts';
import { median } from '../src/median.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { sizeOf } from '../src/onnx/shapes.ts';
import { PASS_NAMES } from '../src/passes/finish.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';
import { taskOf } from '../src/tasks/own.ts';
import { expectImageSpec } from '../src/tasks/spec.ts';
import { readTrace, sharesBy } from './bench/trace.ts';

const { values } = parseArgs({
  options: {
    graphs: { type: 'string', default: 'swin-micro-cifar10,cait-micro-cifar10' },
    batch: { type: 'string', default: '32' },
    runs: { type: 'string', default: '7' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    memory: { type: 'string', default: 'fast' },
    without: { type: 'string', default: '' },
    python: { type: 'string' },
    profile: { type: 'boolean', default: false },
    /** Internal: one process of ours, `GRAPH gradient|exact`. */
    ours: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const WORKS = { gradient: 'loss-grad', exact: 'gr-exact' } as const;
type Work = keyof typeof WORKS;
const [batch, runs, threads] = [Number(values.batch), Number(values.runs), Number(values.threads)];

async function ours(graph: string, work: Work, profile?: string) {
  const spec = expectImageSpec((await openGraph(graph)).spec, graph);
  expectOneOf('--memory', values.memory, MEMORY_LEVELS);
  const without = values.without.split(',').filter((name) => name !== '');
  const left = PASS_NAMES.filter((name) => without.includes(name));
  const graphs = new TaskGraphs(taskOf(spec), { batch, memory: values.memory, without: left });
  const file = serialize(graphs.graph(WORKS[work]));
  const session = await createSession(file, { device: 'cpu', threads, ...(profile && { profile }) });
  const { channels, height, width } = spec.image;
  const float = (shape: readonly number[], data: Float32Array): Tensor => ({ dtype: 'float32', shape, data });
  const shape = [batch, channels, height, width];
  const feeds: Record<string, Tensor> = {
    images: float(
      shape,
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(0.37 * i)),
    ),
    labels: {
      ...{ dtype: 'int32', shape: [batch] },
      data: Int32Array.from({ length: batch }, (_, i) => i % spec.classes),
    },
    'scalar/labelSmoothing': float([], Float32Array.of(0)),
    'weight/loss': float([], Float32Array.of(batch)),
    ...(work === 'exact' && { lambda: float([], Float32Array.of(0.01)) }),
  };
  for (const { path: name, shape: of, init } of graphs.pass.variables) {
    const data = new Float32Array(sizeOf(of));
    initialize(data, name, of, init, 0);
    feeds[name] = float(of, data);
  }
  const ms: number[] = [];
  const cpu: number[] = [];
  for (let i = 0; i < runs + 2; i++) {
    const [start, before] = [performance.now(), process.cpuUsage()];
    await session.run(feeds);
    ms.push(performance.now() - start);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1000);
  }
  await session.release();
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  return { ms: ms.slice(2), cpu: cpu.slice(2), peak };
}

const Told = v.object({ ms: v.array(v.number()), cpu: v.array(v.number()), peak: v.number() });
const spawn = (command: string, args: readonly string[]) =>
  v.parse(
    Told,
    JSON.parse(execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n').at(-1) ?? ''),
  );

async function profileOf(graph: string, work: Work): Promise<void> {
  const prefix = `timm-times-${process.pid}`;
  await ours(graph, work, path.join(tmpdir(), prefix));
  const file = readdirSync(tmpdir()).find((name) => name.startsWith(prefix)) ?? '';
  const trace = readTrace(JSON.parse(readFileSync(path.join(tmpdir(), file), 'utf8')));
  rmSync(path.join(tmpdir(), file));
  console.log(`${graph} ×${batch}, ${work}: ${(median(trace.runs) / 1000).toFixed(1)} ms`);
  for (const { name, count, ms, share, gflops } of sharesBy(trace, ({ op }) => op).slice(0, 14)) {
    const rate = gflops ? ` ${gflops.toFixed(0)} GFLOP/s` : '';
    console.log(`  ${name} ×${count}: ${ms.toFixed(2)} ms, ${(100 * share).toFixed(1)} %${rate}`);
  }
}

for (const graph of values.graphs.split(',')) {
  for (const work of ['gradient', 'exact'] as const) {
    if (values.ours) {
      if (process.argv.includes(`work=${work}`)) console.log(JSON.stringify(await ours(graph, work)));
      continue;
    }
    if (values.profile) {
      await profileOf(graph, work);
      continue;
    }
    const [here, there]: v.InferOutput<typeof Told>[][] = [[], []];
    const flags = ['batch', 'runs', 'threads', 'memory', 'without'] as const;
    for (let round = 0; round < Number(values.rounds); round++) {
      here?.push(
        spawn(process.execPath, [
          ...[...process.execArgv, import.meta.filename, '--ours', '--graphs', graph, `work=${work}`],
          ...flags.flatMap((flag) => [`--${flag}`, values[flag]]),
        ]),
      );
      if (values.python === undefined) continue;
      const args = ['scripts/peers/torch_timm.py', graph, values.batch, work, values.runs, values.threads];
      there?.push(spawn(values.python, args));
    }
    const said = (told: readonly v.InferOutput<typeof Told>[] = []) => {
      const [ms, cpu] = [told.flatMap((each) => each.ms), told.flatMap((each) => each.cpu)].map((all) =>
        median(all).toFixed(0),
      );
      return `${ms} ms (${cpu} of CPU time), ${(median(told.map(({ peak }) => peak)) / 1e6).toFixed(0)} MB`;
    };
    console.log(
      `${graph} ×${batch}, ${work}: ${said(here)}${there?.length ? `; PyTorch ${said(there)}` : ''}`,
    );
  }
}
