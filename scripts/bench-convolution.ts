/**
 * `npm run bench:convolution`: the three products of a convolution (y, the cotangents of the image and of the kernel) of
 * ResNet's layers, in ONNX Runtime and in PyTorch, in rounds that visit both in turn.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { convolution } from '../src/autodiff/convolution/convolution.ts';
import { vjp } from '../src/autodiff/grad.ts';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { choice, integer, type OptionTable, text, toggle } from '../src/config/options.ts';
import { median } from '../src/median.ts';
import type { Graph } from '../src/onnx/graph.ts';
import { input } from '../src/onnx/ops.ts';
import { serialize } from '../src/onnx/serialize.ts';
import { sizeOf, staticShape } from '../src/onnx/shapes.ts';
import { isOp } from '../src/onnx/value.ts';
import { finish } from '../src/passes/finish.ts';
import { Random } from '../src/random.ts';
import { createSession } from '../src/runtime/ort.node.ts';
import type { Tensor } from '../src/runtime/session.ts';
import { machineLine } from './bench/machine.ts';
import { nativeProduct } from './bench/native-convolution.ts';

const TABLE = {
  python: text({
    group: 'Benchmark',
    help: 'A Python with torch, to compare with.',
    placeholder: 'PATH',
    default: undefined,
  }),
  layout: choice(['first', 'last'], {
    group: 'Benchmark',
    help: "Where PyTorch's images have their channels; first is its default.",
    default: 'first',
  }),
  threads: integer({ min: 1 }, { group: 'Benchmark', help: 'Threads of each.', default: 2 }),
  batch: integer({ min: 1 }, { group: 'Benchmark', help: 'Images of a batch.', default: 32 }),
  rounds: integer(
    { min: 1 },
    { group: 'Benchmark', help: 'Rounds counted, after two that are not.', default: 10 },
  ),
  native: toggle({
    group: 'Benchmark',
    help: "Also ONNX Runtime's own Conv and ConvTranspose, between transpositions from and to channels last.",
    default: false,
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

const WARMUP_ROUNDS = 2;
const PRODUCTS = ['forward', 'image', 'kernel'] as const;
type Product = (typeof PRODUCTS)[number];
type Times = Readonly<Record<Product, number>>;

interface Layer {
  readonly name: string;
  readonly side: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
}

const layer = (side: number, inputs: number, outputs: number, kernel = 3, stride = 1, groups = 1): Layer => ({
  ...{ side, inputs, outputs, kernel, stride, groups },
  name: `${inputs}→${outputs}, ${kernel}×${kernel} over ${side}×${side}${stride > 1 ? `, stride ${stride}` : ''}${groups > 1 ? ', depthwise' : ''}`,
});

const LAYERS: readonly Layer[] = [
  layer(32, 3, 64),
  layer(32, 64, 64),
  layer(32, 64, 128, 3, 2),
  layer(32, 64, 128, 1, 2),
  layer(16, 128, 128),
  layer(8, 256, 256),
  layer(4, 512, 512),
  layer(32, 96, 96, 3, 1, 96),
];

/** The graph of one product, a training graph's form of it. */
function graphOf(
  { side, inputs, outputs, kernel, stride, groups }: Layer,
  batch: number,
  product: Product,
): Graph {
  const x = input('x', [batch, side, side, inputs]);
  const weights = input('kernel', [kernel, kernel, inputs / groups, outputs]);
  const y = convolution(x, weights, { stride, padding: (kernel - 1) / 2, groups });
  const ct = input('ct', y.shape);
  const [dx = y, dk = y] = vjp([y], [x, weights], [ct]);
  const graph = {
    forward: { inputs: [x, weights], outputs: { y } },
    image: { inputs: [weights, ct], outputs: { dx } },
    kernel: { inputs: [x, ct], outputs: { dk } },
  }[product];
  return finish({ name: product, ...graph }, { target: 'cpu' });
}

/** Milliseconds of processor time: on a machine that others use too it says more than the clock does. */
const spent = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** `native`: another file of the same inputs, which ONNX Runtime may rewrite. */
async function subject(graph: Graph, threads: number, native?: Uint8Array): Promise<() => Promise<number>> {
  const session = await createSession(native ?? serialize(graph), {
    ...{ device: 'cpu', threads, optimize: native !== undefined },
  });
  const now = threads === 1 ? spent : () => performance.now();
  const random = new Random(0, 'sample');
  const feeds = graph.inputs.map((value): [string, Tensor] => {
    const shape = staticShape(value.shape);
    const data = Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() - 0.5);
    return [isOp(value.node, 'Input') ? value.node.attributes.name : '', { dtype: 'float32', shape, data }];
  });
  return async () => {
    const begin = now();
    await session.run(Object.fromEntries(feeds));
    return now() - begin;
  };
}

/** PyTorch, which answers with the times of a round. */
function torch(
  python: string,
  threads: number,
  layout: string,
): { ask(layer: readonly number[]): Promise<Times>; end(): void } {
  const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'peers', 'torch_convolution.py');
  const child: ChildProcessWithoutNullStreams = spawn(python, [script, String(threads), layout]);
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (asked) => {
      child.stdin.write(`${JSON.stringify({ layer: asked })}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('PyTorch ended');
      const given: unknown = JSON.parse(value);
      const times: Readonly<Record<string, unknown>> = { ...Object(given) };
      return { forward: Number(times.forward), image: Number(times.image), kernel: Number(times.kernel) };
    },
    end: () => child.stdin.end(),
  };
}

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Times the three products of convolutions, beside PyTorch.';
    console.log(helpText(TABLE, { about, usage: 'npm run bench:convolution -- [options]', examples: [] }));
    return;
  }
  console.log(machineLine());
  console.log(
    `Batch ${values.batch}, median of ${values.rounds} rounds (least), ms of ${values.threads === 1 ? 'the processor, one thread' : 'the clock'}\n`,
  );
  const native = values.native ? { head: ' Conv, channels first |', rule: '--:|' } : { head: '', rule: '' };
  console.log(
    `| layer | product | here | PyTorch, channels ${values.layout} | here over PyTorch |${native.head}\n|---|---|--:|--:|--:|${native.rule}`,
  );
  const peer = values.python === undefined ? undefined : torch(values.python, values.threads, values.layout);
  for (const each of LAYERS) {
    const runs = await Promise.all(
      PRODUCTS.map(async (product) => subject(graphOf(each, values.batch, product), values.threads)),
    );
    const { side, inputs, outputs, kernel, stride, groups } = each;
    const natives = await Promise.all(
      PRODUCTS.map(async (product) =>
        values.native && product !== 'kernel'
          ? subject(
              graphOf(each, values.batch, product),
              values.threads,
              nativeProduct({ ...each, batch: values.batch }, product),
            )
          : undefined,
      ),
    );
    const own: number[][] = PRODUCTS.map(() => []);
    const conv: number[][] = PRODUCTS.map(() => []);
    const theirs: number[][] = PRODUCTS.map(() => []);
    for (let round = -WARMUP_ROUNDS; round < values.rounds; round++) {
      for (const [i, run] of runs.entries()) {
        const ms = await run();
        if (round >= 0) own[i]?.push(ms);
        const nativeMs = await natives[i]?.();
        if (round >= 0 && nativeMs !== undefined) conv[i]?.push(nativeMs);
      }
      const times = await peer?.ask([values.batch, side, inputs, outputs, kernel, stride, groups]);
      PRODUCTS.forEach((product, i) => {
        if (round >= 0 && times) theirs[i]?.push(times[product]);
      });
    }
    PRODUCTS.forEach((product, i) => {
      const ours = own[i] ?? [];
      const torchs = theirs[i] ?? [];
      const said = (all: readonly number[]) => `${median(all).toFixed(1)} (${Math.min(...all).toFixed(1)})`;
      const beside =
        torchs.length === 0 ? ['', ''] : [said(torchs), (median(ours) / median(torchs)).toFixed(2)];
      const convs = conv[i] ?? [];
      const last = values.native ? [convs.length === 0 ? '' : said(convs)] : [];
      console.log(`| ${[each.name, product, said(ours), ...beside, ...last].join(' | ')} |`);
    });
  }
  peer?.end();
});
