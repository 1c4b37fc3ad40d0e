/**
 * `npm run bench:optimizer`: AdamW over the weights, by the plain loop and in WebAssembly, in rounds that visit both in
 * turn.
 */
import { TaskGraphs } from '../src/artifacts/graphs.ts';
import { openGraph } from '../src/artifacts/store.node.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable, text } from '../src/config/options.ts';
import { median } from '../src/median.ts';
import { sizeOf } from '../src/onnx/shapes.ts';
import { type Loop, plainLoop } from '../src/step/loops/loop.ts';
import { type RunLoop, reserveArrays } from '../src/step/loops/memory.ts';
import { updateOf } from '../src/step/optimizer.ts';
import { adamw } from '../src/step/rules/adam.ts';

const TABLE = {
  graphs: text({
    group: 'Benchmark',
    help: 'Graphs whose parameters are updated, with commas between.',
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
    const about = 'Times AdamW over the parameters of a graph, by the plain loop and in WebAssembly.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:optimizer -- [options]', examples: [] }));
    return;
  }
  for (const name of values.graphs.split(',')) {
    const { task } = await openGraph(name);
    const lengths = new TaskGraphs(task, { batch: 1 }).parameters.map(({ shape }) => sizeOf(shape));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const subjects = [
      { by: 'plain loop', step: subject(updateOf(adamw(), plain), lengths) },
      { by: 'WebAssembly', step: subject(updateOf(adamw()), lengths) },
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
    const [slow = [], fast = []] = times;
    const ratio = median(slow.map((ms, i) => ms / (fast[i] ?? Number.NaN)));
    console.log(`${name}: WebAssembly is ${ratio.toFixed(2)} times as fast`);
  }
});

/** A loop that is not compiled. */
function plain(loop: Loop): RunLoop {
  const run = plainLoop(loop);
  return (arrays) => run(arrays, 0, arrays.results[0]?.length ?? 0);
}

/** A step of AdamW over arrays of its own. */
function subject(update: ReturnType<typeof updateOf>, lengths: readonly number[]): () => void {
  const allocate = reserveArrays(lengths, 3);
  const [params, mus, nus] = [allocate(), allocate(), allocate()];
  const grads = lengths.map((length) => Float32Array.from({ length }, (_, i) => 1e-3 * Math.sin(i)));
  let count = 0;
  return () => {
    count++;
    grads.forEach((grad, i) => {
      const [param, mu, nu] = [params[i], mus[i], nus[i]];
      if (!param || !mu || !nu) throw new Error('internal: arrays of other lengths');
      update({
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
