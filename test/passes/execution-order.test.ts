import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as ort from 'onnxruntime-node';
import * as v from 'valibot';
import type { GraphName } from '../../src/artifacts/graphs.ts';
import { executionOrder, type Graph } from '../../src/onnx/graph.ts';
import { nameGraph } from '../../src/onnx/names.ts';
import * as ops from '../../src/onnx/ops.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { staticShape } from '../../src/onnx/shapes.ts';
import { isOp, operands } from '../../src/onnx/value.ts';
import { orderExecution } from '../../src/passes/execution-order.ts';
import { bytesOf, peakBytes } from '../../src/passes/memory.ts';
import { imageGraphs, imageSpec } from '../_networks.ts';
import { graphOf } from '../_run.ts';
import { equalInOrt, feedsOf } from './_graphs.ts';

const spec = imageSpec({
  dataset: 'mnist',
  image: { channels: 1, height: 8, width: 8 },
  classes: 5,
  model: { kind: 'vit', patch: 2, width: 16, layers: 3, heads: 2 },
  microBatch: 4,
});
const small = (name: GraphName) => imageGraphs(spec, 4, { without: ['execution-order'] }).graph(name);

const Profile = v.array(v.object({ cat: v.string(), name: v.string() }));

/** The names of the nodes in the order in which ONNX Runtime ran them, as its profiler says. */
async function ran(graph: Graph): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ortgrad-order-'));
  const session = await ort.InferenceSession.create(serialize(graph), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    enableProfiling: true,
    profileFilePrefix: join(folder, 'run'),
  });
  const data = feedsOf(graph);
  const feeds = graph.inputs.map((value): [string, ort.Tensor] => {
    const name = isOp(value.node, 'Input') ? value.node.attributes.name : '';
    return [name, new ort.Tensor(data[name] ?? new Float32Array(0), staticShape(value.shape))];
  });
  await session.run(Object.fromEntries(feeds));
  session.endProfiling();
  await session.release();
  const [file = ''] = readdirSync(folder);
  const events = v.parse(Profile, JSON.parse(readFileSync(join(folder, file), 'utf8')));
  rmSync(folder, { recursive: true });
  const suffix = '_kernel_time';
  return events.flatMap(({ cat, name }) =>
    cat === 'Node' && name.endsWith(suffix) && !name.startsWith('order/')
      ? [name.slice(0, -suffix.length)]
      : [],
  );
}

/** The names of the nodes in a graph's own order. */
function named(graph: Graph): string[] {
  const names = nameGraph(graph);
  return names.order
    .filter((node) => !isOp(node, 'Input') && !isOp(node, 'Constant'))
    .map((node) => names.node(node));
}

test('what can be freed at once comes first: a sum over rows does not wait for the other values', (t) => {
  const x = ops.input('x', [100, 10]);
  const [a, b, c] = [ops.exp(x), ops.tanh(x), ops.sigmoid(x)];
  const [p, q, r] = [a, b, c].map((value) => ops.reduceSum(value, { axes: [0] }));
  const graph = graphOf({
    a: ops.concat(
      [p, q, r].flatMap((value) => value ?? []),
      0,
    ),
    x: ops.reduceSum(x),
  });
  const order = orderExecution(graph).order ?? [];
  t.deepEqual(
    order.map(({ op }) => op),
    ['Input', 'Exp', 'ReduceSum', 'Tanh', 'ReduceSum', 'Sigmoid', 'ReduceSum', 'Concat', 'ReduceSum'],
  );
});

for (const name of ['loss-grad', 'gr-exact'] as const) {
  test(`${name}: every node once, each after those it uses, and less memory than without`, (t) => {
    const before = small(name);
    const after = orderExecution(before);
    const order = after.order ?? [];
    const all = new Set(order);
    t.is(all.size, order.length);
    t.is(all.size, executionOrder(before).length);
    t.true(executionOrder(before).every((node) => all.has(node)));
    const done = new Set<unknown>();
    for (const node of order) {
      t.true(operands(node).every((value) => done.has(value.node)));
      done.add(node);
    }
    t.true(peakBytes(after) < 0.9 * peakBytes(before), `${peakBytes(after)} of ${peakBytes(before)} bytes`);
  });

  test(`${name}: ONNX Runtime runs the nodes of the file in this order`, async (t) => {
    const graph = orderExecution(small(name));
    t.deepEqual(await ran(graph), named(graph));
  });
}

test('an order that is no depth-first order is run too', async (t) => {
  const x = ops.input('x', [2]);
  const chains = [0, 1, 2].map(() => [ops.exp(x)]);
  for (let i = 0; i < 4; i++) for (const chain of chains) chain.push(ops.tanh(chain.at(-1) ?? x));
  const ends = chains.map((chain) => chain.at(-1) ?? x);
  const y = ends.reduce((sum, end) => ops.add(sum, end));
  // All chains step by step, the last one first: in depth-first order it would be one chain after the other.
  const steps = [0, 1, 2, 3, 4].flatMap((i) =>
    [...chains].reverse().flatMap((chain) => chain[i]?.node ?? []),
  );
  const first = graphOf({ y });
  const sums = executionOrder(first).filter((node) => isOp(node, 'Add'));
  const graph = { ...first, order: [x.node, ...steps, ...sums] };
  t.deepEqual(await ran(graph), named(graph));
  t.not(named(graph).join(), named(first).join());
  await equalInOrt(t, first, graph, 0);
});

test('sums of gradients over slices of a batch are taken as they come, not when all are there', (t) => {
  const model = { kind: 'vit', patch: 4, width: 96, layers: 6, heads: 2 };
  const image = { channels: 3, height: 32, width: 32 };
  const vit = imageSpec({ dataset: 'cifar10', image, classes: 5, model, microBatch: 16 });
  const built = imageGraphs(vit, 16, { memory: 'remat' }).graph('loss-grad');
  // Beside activations, the sums and a few terms on their way: not as many terms as there are slices.
  const weights = Object.values(built.outputs).reduce((sum, value) => sum + bytesOf(value), 0);
  t.true(peakBytes(built) < 6 * weights, `${peakBytes(built)} bytes for gradients of ${weights}`);
});
