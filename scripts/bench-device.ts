/**
 * `npm run bench:device`: whole training steps on a device, state and all, as `train --device webgpu` takes them: the
 * time of a step once it is warm, and of making one ready.
 */
import { graphsOf, openGraph } from '../src/artifacts/store.node.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { configFor, type TrainConfig } from '../src/config/config.ts';
import { choice, integer, type OptionTable, text } from '../src/config/options.ts';
import { UserError } from '../src/errors.ts';
import { median } from '../src/median.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { beginTrainer } from '../src/run/begin.ts';
import { createDeviceTrainer } from '../src/run/device-trainer.ts';
import { planRun, stepPlanOf } from '../src/run/plan.ts';
import { createResidentSession, createSession, expectDevice } from '../src/runtime/ort.node.ts';
import { DEVICES } from '../src/runtime/session.ts';
import { machineLine } from './bench/machine.ts';
import { madeUpBatch } from './bench/made-up.ts';
import { describeForBench } from './bench/network.ts';

const TABLE = {
  graphs: text({
    group: 'Benchmark',
    help: 'Graphs to train, with commas between.',
    placeholder: 'NAMES',
    default: 'vit-ti-cifar10,vit-s-cifar10',
  }),
  gr: text({
    group: 'Benchmark',
    help: 'Kinds of regularization, with commas between.',
    placeholder: 'NAMES',
    default: 'none,fd,exact',
  }),
  batchSize: integer({ min: 1 }, { group: 'Benchmark', help: 'Images of a step.', default: 128 }),
  rounds: integer(
    { min: 1 },
    { group: 'Benchmark', help: 'Steps counted, after three that are not.', default: 10 },
  ),
  device: choice(DEVICES, { group: 'Benchmark', help: 'Where to compute.', default: 'webgpu' }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const WARMUP_STEPS = 3;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Times whole training steps whose state stays on the device.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:device -- [options]', examples: [] }));
    return;
  }
  await expectDevice(values.device);
  console.log(machineLine());
  for (const graph of values.graphs.split(',')) {
    for (const gr of values.gr.split(',')) {
      const config = configFor({
        ...{ graph, gr, batchSize: values.batchSize, device: values.device, epochs: 1 },
        ...(gr === 'none' ? {} : { grWarmup: 'none' }),
      });
      const { first, times } = await steps(config, values.rounds);
      const [ms, least] = [median(times), Math.min(...times)].map((time) => time.toFixed(1));
      const images = (values.batchSize * 1000) / median(times);
      console.log(
        `${graph}, ${gr}, batch ${values.batchSize}, ${values.device}: ${ms} ms a step (least ${least}), ${images.toFixed(0)} images/s; the first took ${(first / 1000).toFixed(1)} s`,
      );
    }
  }
});

/** Milliseconds of the first step, and of those that are counted. */
async function steps(config: TrainConfig, rounds: number): Promise<{ first: number; times: number[] }> {
  const graph = await openGraph(config.graph);
  const device = { device: config.device, threads: 0 };
  const variant = { microBatch: config.batchSize, memory: 'fast' } as const;
  const graphs = graphsOf({ ...graph, spec: { ...graph.spec, target: 'webgpu' } }, variant);
  const trainer = createDeviceTrainer({
    ...{ manifest: describeForBench(graphs), graphs, plan: stepPlanOf(config, planRun(config, 1000)) },
    seed: 0,
    open: (model, next) => createResidentSession(model, device, next),
    load: (name) => createSession(serialize(graphs.graph(name)), device),
  });
  beginTrainer(trainer, 0);
  const batch = madeUpBatch(graph.task.fields, config.batchSize);
  const times: number[] = [];
  for (let step = 0; step <= WARMUP_STEPS + rounds; step++) {
    const begin = performance.now();
    const { loss } = await trainer.step(step, { ...batch, step });
    if (!Number.isFinite(loss)) throw new UserError(`step ${step + 1}: the loss is ${loss}`);
    times.push(performance.now() - begin);
  }
  await trainer.release();
  return { first: times[0] ?? 0, times: times.slice(1 + WARMUP_STEPS) };
}
