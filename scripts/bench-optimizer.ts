/**
 * `npm run bench:optimizer`: the time of AdamW and the other passes over weights, by plain loops and by the kernels.
 * Each round measures both in turn.
 */
import { buildGraphs } from '../src/artifacts/build.ts';
import { openGraph } from '../src/artifacts/store.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { median } from '../src/median.ts';
import { sizeOf } from '../src/onnx/shapes.ts';
import { createOptimizer } from '../src/optim/optimizer.ts';
import { reserveArrays } from '../src/step/loops/memory.ts';
import { integer, type OptionTable, text } from '../src/train/options.ts';

const TABLE = {
  graphs: text({
    group: 'Benchmark',
    help: 'Graphs whose parameters are updated, separated by commas.',
    placeholder: 'NAMES',
    default: 'vit-ti-cifar10,vit-s-cifar10',
  }),
  rounds: integer(
    { min: 1 },
    { group: 'Benchmark', help: 'Rounds counted, after five that are not.', default: 15 },
  ),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const WARMUP_ROUNDS = 5;

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Times AdamW over the parameters of a graph, by its plain loop and by its kernel.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:optimizer -- [options]', examples: [] }));
    return;
  }
  for (const name of values.graphs.split(',')) {
    const { spec } = await openGraph(name);
    const lengths = buildGraphs(spec, 1).parameters.map(({ shape }) => sizeOf(shape));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const subjects = [
      { by: 'plain loop', step: subject(lengths, () => lengths.map((length) => new Float32Array(length))) },
      { by: 'kernel', step: subject(lengths, reserveArrays(lengths, 3)) },
    ];
    const times: number[][] = subjects.map(() => []);
    for (let round = -WARMUP_ROUNDS; round < values.rounds; round++) {
      for (const [i, { step }] of subjects.entries()) {
        const begin = performance.now();
        step();
        if (round >= 0) times[i]?.push(performance.now() - begin);
      }
    }
    for (const [i, { by }] of subjects.entries()) {
      const ms = median(times[i] ?? []);
      console.log(
        `${name}, ${total} parameters, ${by}: ${ms.toFixed(1)} ms, ${((1e6 * ms) / total).toFixed(2)} ns a parameter`,
      );
    }
    const [plain = [], kernel = []] = times;
    const ratio = median(plain.map((ms, i) => ms / (kernel[i] ?? Number.NaN)));
    console.log(`${name}: the kernel is ${ratio.toFixed(2)} times as fast`);
  }
});

/** A step of AdamW, with its own arrays. */
function subject(lengths: readonly number[], allocate: () => readonly Float32Array[]): () => void {
  const adamw = createOptimizer({ optimizer: 'adamw' });
  const [params, mus, nus] = [allocate(), allocate(), allocate()];
  const grads = lengths.map((length) => Float32Array.from({ length }, (_, i) => 1e-3 * Math.sin(i)));
  let count = 0;
  return () => {
    count++;
    grads.forEach((grad, i) => {
      const [param, mu, nu] = [params[i], mus[i], nus[i]];
      if (!param || !mu || !nu) throw new Error('internal: arrays of other lengths');
      adamw.update({
        param,
        grad,
        slots: [mu, nu],
        learningRate: 1e-3,
        count,
        weightDecay: 0.3,
        gradScale: 1,
      });
    });
  };
}
