/** How long reading a large ONNX file takes, and what memory: `npm run bench:import`, or with the path of a file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importModel } from '../src/import/import-model.ts';
import { encodeModel, type NodeProto, type TensorProto } from '../src/onnx/proto.ts';

/** 4 · 2500² weights in four layers: 100 MB. */
const WIDTH = 2500;
const LAYERS = 4;

/** The file, with its weights as raw bytes or in lists of numbers. */
function generated(isRaw: boolean): Uint8Array {
  const layers = Array.from({ length: LAYERS }, (_, i) => i);
  const data = new Uint8Array(Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => Math.sin(i)).buffer);
  const initializer = layers.map(
    (i): TensorProto => ({
      name: `w${i}`,
      dims: [WIDTH, WIDTH],
      dataType: 1,
      ...(isRaw ? { rawData: data } : { rawData: new Uint8Array(), floatData: [data] }),
    }),
  );
  const node = (opType: string, input: string[], output: string): NodeProto => ({
    ...{ name: output, opType, domain: '', input, output: [output], attribute: [] },
  });
  const type = (dims: readonly (string | number)[]) => ({
    tensorType: {
      elemType: 1,
      shape: { dim: dims.map((dim) => (typeof dim === 'string' ? { dimParam: dim } : { dimValue: dim })) },
    },
  });
  return encodeModel({
    irVersion: 8,
    producerName: 'bench',
    producerVersion: '1',
    opsetImport: [{ domain: '', version: 18 }],
    metadataProps: [],
    graph: {
      name: 'bench',
      node: layers.flatMap((i) => [
        node('MatMul', [i === 0 ? 'x' : `a${i - 1}`, `w${i}`], `h${i}`),
        node('Tanh', [`h${i}`], `a${i}`),
      ]),
      initializer,
      input: [{ name: 'x', type: type(['N', WIDTH]) }],
      output: [{ name: `a${LAYERS - 1}`, type: type(['N', WIDTH]) }],
    },
  });
}

/** Reads a file and asks for all its weights. The memory is the peak of the process beyond what it had before. */
function measure(path: string): void {
  const before = process.memoryUsage().rss;
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const bytes = readFileSync(path);
  const weights = importModel(bytes).weights();
  const [seconds, used] = [(performance.now() - start) / 1000, process.cpuUsage(cpu)];
  // KiB; of the whole process, of which `before` bytes were there.
  const times = (1024 * process.resourceUsage().maxRSS - before) / bytes.length;
  console.log(
    `${path}: ${(bytes.length / 1e6).toFixed(0)} MB, ${weights.size} weights: ${seconds.toFixed(2)} s, of which ${((used.user + used.system) / 1e6).toFixed(2)} s computing; ${times.toFixed(2)} times its size in memory`,
  );
}

const [path] = process.argv.slice(2);
if (path === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'ortgrad-bench-'));
  for (const [name, isRaw] of [['raw', true] as const, ['lists', false] as const]) {
    const file = join(folder, `${name}.onnx`);
    writeFileSync(file, generated(isRaw));
    // A process of its own: the one that made the file has its memory still.
    execFileSync(process.execPath, [...process.execArgv, process.argv[1] ?? '', file], { stdio: 'inherit' });
  }
  rmSync(folder, { recursive: true });
} else measure(path);
