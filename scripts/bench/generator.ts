/**
 * Writes one graph and prints, as JSON, how long that took. It has a process of its own: its first time is then that of
 * code which is not compiled yet, and its memory does not count in the peak of any other measurement.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { median } from '../../src/median.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { isOwnSpec } from '../../src/tasks/spec.ts';
import type { GenerateRequest } from './generate.ts';
import { lossGraph } from './network.ts';

/** Repeats until the code is compiled, but not for longer than this. */
const WARM_RUNS = 3;
const WARM_MS = 6000;

const request: GenerateRequest = JSON.parse(process.argv[2] ?? '{}');
const spec = parseSpec(request.spec, 'benchmark');
if (!isOwnSpec(spec)) throw new Error('internal: the benchmark of a module');
const { batch, name, options } = request;
const generate = (): Uint8Array =>
  serialize(
    name === 'loss'
      ? lossGraph(spec, batch)
      : new TaskGraphs(taskOf(spec), { batch, target: spec.target, ...options }).graph(name),
  );
const times: number[] = [];
const start = performance.now();
let bytes = new Uint8Array();
do {
  const begin = performance.now();
  bytes = Uint8Array.from(generate());
  times.push(performance.now() - begin);
} while (request.repeat && times.length <= WARM_RUNS && performance.now() - start < WARM_MS);
writeFileSync(request.file, bytes);
const [first = 0, ...warm] = times;
const hash = createHash('sha256').update(bytes).digest('hex');
console.log(JSON.stringify({ first, warm: warm.length === 0 ? null : median(warm), hash }));
