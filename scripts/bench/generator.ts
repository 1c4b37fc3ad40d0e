/**
 * Writes one graph and prints, as JSON, how long that took: in a process of its own, so that the first time is that of
 * code not compiled yet, and so that what it leaves behind in memory is nobody's high-water mark.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { buildGraph } from '../../src/artifacts/build.ts';
import { parseSpec } from '../../src/artifacts/spec.ts';
import { median } from '../../src/median.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import type { GenerateRequest } from './generate.ts';
import { lossGraph } from './network.ts';

/** Times enough to get warm, but no more than this long. */
const WARM_RUNS = 3;
const WARM_MS = 6000;

const request: GenerateRequest = JSON.parse(process.argv[2] ?? '{}');
const spec = parseSpec(request.spec, 'benchmark');
const generate = (): Uint8Array =>
  serialize(
    request.name === 'loss'
      ? lossGraph(spec, request.batch)
      : buildGraph(spec, request.batch, request.name, request.options),
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
