/**
 * Our side of bench-imported.ts, in a process of its own: FOLDER NAME BATCH THREADS. Every line asks for a gradient, as a
 * training session takes it; one with `profile` for ONNX Runtime's profile of a few, in a file whose path begins so.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { emptyField } from '../../src/data/batch.ts';
import { generateArtifacts, TrainingSession } from '../../src/index.ts';
import { runOn, scalarTensor } from '../../src/run/engine.ts';
import { createSession } from '../../src/runtime/ort.node.ts';
import type { Tensor, TensorType } from '../../src/runtime/session.ts';
import { decodeSafetensors } from '../../src/storage/safetensors.ts';
import { norm } from './statistics.ts';

const [folder = '', name = '', batch = '1', threads = '1'] = process.argv.slice(2);
const DTYPES = ['float32', 'int32', 'int64'] as const satisfies readonly TensorType[];

/** The tensors of a file by their names; the type of an array says theirs. */
function tensorsOf(bytes: Uint8Array): Record<string, Tensor> {
  const { tensors } = decodeSafetensors(bytes, name);
  return Object.fromEntries(
    tensors.map(({ name: of, shape, data }): [string, Tensor] => {
      const dtype = DTYPES.find((each) => emptyField(each, 0).constructor === data.constructor) ?? 'uint8';
      return [of, { dtype, shape, data }];
    }),
  );
}

const artifacts = generateArtifacts(readFileSync(path.join(folder, `${name}.onnx`)), {
  loss: 'cross-entropy',
  batchSize: Number(batch),
});
const feeds = tensorsOf(readFileSync(path.join(folder, `${name}.safetensors`)));
const options = { device: 'cpu', threads: Number(threads) } as const;
const session = await TrainingSession.create(artifacts, options);

async function gradient() {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await session.lazyResetGrad();
  const { loss } = await session.runTrainStep(feeds);
  const [ms, { user, system }] = [performance.now() - start, process.cpuUsage(before)];
  const gradients = Object.values(await session.getGradients()).map(({ data }) => norm(data));
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return {
    ...{ ms, cpu: (user + system) / 1000, loss: Number(loss?.data[0]), norm: norm(gradients) },
    rss_peak: 1024 * Number(kilobytes),
  };
}

async function profiled(profile: string) {
  const graph = await createSession(artifacts.trainModel, { ...options, profile });
  const labels: Tensor = {
    ...{ dtype: 'int32', shape: [Number(batch)] },
    data: Int32Array.from(feeds.labels?.data ?? [], Number),
  };
  const all = {
    ...{ ...tensorsOf(artifacts.checkpointState), ...feeds, labels },
    'weight/loss': scalarTensor(Number(batch)),
  };
  for (let run = 0; run < 5; run++) await runOn(graph, all);
  await graph.release();
  return {};
}

for await (const line of createInterface({ input: process.stdin })) {
  const { cmd, profile } = JSON.parse(line);
  if (cmd === 'exit') break;
  console.log(JSON.stringify(profile === undefined ? await gradient() : await profiled(profile)));
}
process.exit();
