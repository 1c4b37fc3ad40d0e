/** The graphs of a task: equal numbers at every memory level, as one graph of a whole step, and of any number of examples. */
import test from 'ava';
import { type GraphOptions, MEMORY_LEVELS } from '../../src/artifacts/graphs.ts';
import { parseManifest } from '../../src/artifacts/manifest.ts';
import { cutFields } from '../../src/data/batch.ts';
import { type Graph, topologicalOrder } from '../../src/onnx/graph.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { fieldFeeds, numberOf, runOn } from '../../src/run/engine.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import type { Task } from '../../src/tasks/task.ts';
import { batchOf, dropped, everyType, perceptron, running, scalarLoss, tokens } from './_tasks.ts';
import { described, difference, graphsOf, load, onDevice, onHost, STRENGTHS } from './_train.ts';

type TaskRoles = NonNullable<GraphOptions['roles']>;

const nameOf = ({ node }: Value): string => (isOp(node, 'Input') ? node.attributes.name : '');

const TASKS: Readonly<Record<string, Task>> = { perceptron, tokens, dropped, running, scalarLoss, everyType };

for (const [name, task] of Object.entries(TASKS)) {
  for (const kind of Object.keys(STRENGTHS)) {
    test(`${name} under ${kind}: a whole step as one graph is the host's`, async (t) => {
      const [host, device] = [await onHost({ task, kind }), await onDevice({ task, kind })];
      const error = difference(device, host);
      t.true(error < 5e-6, String(error));
      for (const [slot, arrays] of Object.entries(host.slots)) {
        arrays.forEach((array, k) => {
          const off = Math.hypot(...array.map((x, i) => x - (device.slots[slot]?.[k]?.[i] ?? Number.NaN)));
          t.true(off < 2e-5 * Math.hypot(...array), `${slot} ${k}: ${off}`);
        });
      }
    });
  }
}

test('in standard ONNX, as a GPU in a browser takes it, the numbers are the same', async (t) => {
  for (const task of Object.values(TASKS)) {
    for (const kind of ['exact', 'fd']) {
      const host = await onHost({ task, kind });
      for (const train of [onHost, onDevice]) {
        const error = difference(await train({ task, kind, target: 'webgpu' }), host);
        t.true(error < 5e-6, `${kind}: ${error}`);
      }
    }
  }
});

/** How many slices a training graph cuts its batch into. */
function slicesOf(graph: Graph): number {
  const cuts = topologicalOrder(Object.values(graph.outputs)).flatMap((node) =>
    isOp(node, 'Slice') && isOp(node.inputs[0]?.node ?? node, 'Input') ? [node.attributes] : [],
  );
  return Math.max(1, new Set(cuts.map(({ starts }) => starts[0])).size);
}

test('slices of a batch and every memory level give equal numbers, on the host and in one graph', async (t) => {
  for (const [task, batchSize] of [
    [dropped, 4000],
    [tokens, 800],
  ] as const) {
    for (const kind of ['none', 'exact', 'fd']) {
      const training = { task, kind, batchSize, steps: 2 };
      const first = await onHost(training);
      for (const memory of MEMORY_LEVELS) {
        for (const train of [onHost, onDevice]) {
          const error = difference(await train({ ...training, memory }), first);
          t.true(error < 1e-5, `${kind} ${memory}: ${error}`);
        }
      }
    }
    const slices = MEMORY_LEVELS.map((memory) => {
      const graphs = graphsOf({ task, batchSize, memory });
      return [slicesOf(graphs.graph('loss-grad')), slicesOf(graphs.graph('gr-exact'))];
    });
    t.deepEqual(slices, [
      [4, 1],
      [4, 4],
      [4, 4],
    ]);
  }
});

test('a batch whose examples see each other is never cut', (t) => {
  for (const task of [running, scalarLoss]) {
    const graphs = graphsOf({ task, batchSize: 4000, memory: 'remat' });
    t.is(slicesOf(graphs.graph('loss-grad')), 1);
    t.true(graphs.pass.coupled);
  }
});

test('evaluation and the weights take any number of examples, and only what they need', async (t) => {
  const graphs = graphsOf({ task: tokens });
  const manifest = described(tokens, graphs);
  const variables = new VariableArrays(manifest, 0);
  variables.initialize(5);
  const [evaluate, weights, infer] = await Promise.all(
    (['evaluate', 'weights', 'infer'] as const).map((name) => load(graphs, name)),
  );
  if (!evaluate || !weights || !infer) return t.fail();
  t.deepEqual([...weights.inputs].sort(), ['isToken', 'known']);
  t.deepEqual(
    infer.inputs.filter((name) => name in tokens.fields),
    ['x', 'z'],
  );
  const { told } = await onHost({
    task: tokens,
    batchSize: 12,
    steps: 1,
    data: () => batchOf(tokens, 12, 0),
  });
  const { fields } = batchOf(tokens, 12, 0);
  const parts = [0, 5, 12].flatMap((to, i, cuts) => (i > 0 ? [[cuts[i - 1] ?? 0, to] as const] : []));
  const totals: Record<string, number> = {};
  for (const [from, to] of parts) {
    const cut = cutFields(fields, tokens.fields, from, to);
    const feeds = fieldFeeds(manifest, cut, to - from);
    const out = await runOn(evaluate, { ...feeds, ...variables.feeds });
    const known = await runOn(weights, feeds);
    for (const name of ['weight/tokens', 'weight/number']) t.is(numberOf(known, name), numberOf(out, name));
    for (const name of Object.keys(out)) totals[name] = (totals[name] ?? 0) + numberOf(out, name);
    const { logits, number } = await runOn(infer, { ...feeds, ...variables.feeds });
    t.deepEqual(logits?.shape, [to - from, 6, 4]);
    t.deepEqual(number?.shape, [to - from, 1]);
  }
  const of = (name: string): number => totals[name] ?? Number.NaN;
  const loss = of('total/tokens') / of('weight/tokens') + of('total/number') / of('weight/number');
  const clean = told[0]?.loss ?? Number.NaN;
  t.true(Math.abs(loss - clean) < 1e-6 * clean, `${loss}, not ${clean}`);
});

test('evaluation leaves dropout out, takes the state as it is, and scalars at their defaults', (t) => {
  const names = (task: Task, graph: 'evaluate' | 'loss-grad'): readonly string[] =>
    graphsOf({ task }).graph(graph).inputs.map(nameOf);
  t.deepEqual(
    names(dropped, 'evaluate').filter((name) => name.startsWith('random/')),
    [],
  );
  t.deepEqual(
    names(dropped, 'loss-grad').filter((name) => name.startsWith('random/')),
    ['random/drop', 'random/units', 'random/noise', 'random/shift'],
  );
  t.true(names(running, 'evaluate').includes('mean'));
  t.deepEqual(
    Object.keys(graphsOf({ task: running }).graph('evaluate').outputs).filter((name) =>
      name.startsWith('state'),
    ),
    [],
  );
});

test('a manifest says all that was traced, and is read back as it was', (t) => {
  const graphs = graphsOf({ task: dropped });
  const manifest = described(dropped, graphs);
  t.deepEqual(parseManifest(JSON.parse(JSON.stringify(manifest)), 'manifest.json'), manifest);
  t.deepEqual(manifest.masks, [
    { name: 'random/drop', per: 'example', keep: 0.8, shape: [8] },
    { name: 'random/units', per: 'step', keep: 0.9, shape: [8] },
  ]);
  t.deepEqual(manifest.outputs, { output: { dtype: 'float32', shape: [2] } });
  t.deepEqual(manifest.terms, [{ name: 'loss', weighted: false, perExample: 2 }]);
  t.deepEqual(manifest.sums.training, { 'error/squares': [], 'error/count': [] });
  t.deepEqual(described(running, graphsOf({ task: running })).state, ['mean']);
});

test('frozen variables are fed, not differentiated, and stay', async (t) => {
  const roles: TaskRoles = ({ path, role }) => (path.startsWith('hidden/') ? 'frozen' : role);
  const training = { task: dropped, kind: 'exact', roles };
  const [host, device] = [await onHost(training), await onDevice(training)];
  const { variables: start } = await onHost({ ...training, steps: 0 });
  for (const { variables, slots } of [host, device]) {
    t.deepEqual(variables['hidden/kernel'], start['hidden/kernel']);
    t.notDeepEqual(variables['out/kernel'], start['out/kernel']);
    t.is(slots.mu?.length, 2);
  }
  t.true(difference(device, host) < 5e-6);
  const graph = graphsOf(training).graph('gr-exact');
  t.deepEqual(
    Object.keys(graph.outputs).filter((name) => name.startsWith('grad/')),
    ['grad/out/kernel', 'grad/out/bias'],
  );
});
