/** ortgrad's side of `npm run bench:sequence`: a graph in a process of its own, run once for each line of its input. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { Random } from '../../src/random.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor } from '../../src/runtime/session.ts';
import { graphsOf } from './sequence-network.ts';

const Job = v.object({
  name: v.picklist(['lstm', 'gru', 'ft-transformer']),
  work: v.picklist(['grad', 'exact']),
  threads: v.number(),
  batch: v.number(),
  outputs: v.number(),
  profile: v.optional(v.string()),
});

const job = v.parse(Job, JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
const random = new Random(0, 'sample');

function made(value: Value): readonly [string, Tensor] {
  const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
  const [shape, length] = [value.shape.map(Number), sizeOf(value.shape)];
  if (value.dtype === 'int32') {
    const below = name === 'labels' ? job.outputs : 257;
    const first = name === 'labels' ? 0 : 1;
    return [
      name,
      { dtype: 'int32', shape, data: Int32Array.from({ length }, () => first + random.integer(below)) },
    ];
  }
  const constant = name.startsWith('weight/') ? job.batch : name === 'lambda' ? 0.1 : 0;
  const data =
    shape.length === 0
      ? Float32Array.of(constant)
      : Float32Array.from({ length }, () => (name === 'x' || name === 'y' ? 1 : 0.1) * random.normal());
  return [name, { dtype: 'float32', shape, data }];
}

const begin = performance.now();
const graph = graphsOf(job.name).graph(job.work === 'grad' ? 'loss-grad' : 'gr-exact');
const feeds = Object.fromEntries(graph.inputs.map(made));
const bytes = serialize(graph);
const written = performance.now();
const session = await createSession(bytes, {
  ...{ device: 'cpu', threads: job.threads },
  ...(job.profile !== undefined && { profile: job.profile }),
});
const create = performance.now() - written;

for await (const _ of createInterface({ input: process.stdin })) {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await session.run(feeds);
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  const cpu = (user + system) / 1000;
  const peak = 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  process.stdout.write(`${JSON.stringify({ ms, cpu, peak, write: written - begin, create })}\n`);
}
await session.release();
process.exit();
