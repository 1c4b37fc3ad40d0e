/** A task's training graphs, their batch cut into slices, beside the same in one piece. */
import type { ExecutionContext } from 'ava';
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { type Graph, topologicalOrder } from '../../src/onnx/graph.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { type ConstantData, isOp } from '../../src/onnx/value.ts';
import { Random } from '../../src/random.ts';
import { drawMask } from '../../src/run/masks.ts';
import type { Task } from '../../src/tasks/task.ts';
import { run } from '../_run.ts';

const drops = ({ outputs }: Graph): number =>
  topologicalOrder(Object.values(outputs)).filter((node) => isOp(node, 'Where')).length;

/** Checks that loss-grad and gr-exact give the same numbers, and that the loss depends on the masks. */
export async function expectSlicesToAgree(
  t: ExecutionContext,
  task: Task,
  batch: number,
  fields: Readonly<Record<string, Float32Array | Int32Array>>,
): Promise<void> {
  // On a GPU a batch stays in one piece.
  const whole = new TaskGraphs(task, { batch, memory: 'fast', target: 'webgpu' });
  const sliced = new TaskGraphs(task, { batch, memory: 'lean' });
  const random = new Random(0, 'sample');
  const feeds: Record<string, Exclude<ConstantData, Uint16Array>> = {
    ...fields,
    'scalar/labelSmoothing': Float32Array.of(0.1),
    'weight/loss': Float32Array.of(batch),
    lambda: Float32Array.of(0.1),
  };
  for (const { path, shape } of whole.pass.variables) {
    feeds[path] = Float32Array.from({ length: sizeOf(shape) }, () => 0.5 * random.normal());
    feeds[`vector/${path}`] = Float32Array.from({ length: sizeOf(shape) }, () => random.normal());
  }
  for (const { name, per, keep, value } of whole.pass.masks) {
    const mask = { name, per, keep, shape: value.shape.slice(1).map(Number) };
    const { data } = drawMask(mask, { seed: 1, step: 1, first: 0, count: batch });
    feeds[name] = Uint8Array.from(data, Number);
  }
  for (const name of ['loss-grad', 'gr-exact', 'hvp'] as const) {
    const [one, cut] = [whole.graph(name), sliced.graph(name)];
    t.true(drops(cut) >= 2 * drops(one), `${name} is cut`);
    const [first, second] = [await run(one.outputs, feeds), await run(cut.outputs, feeds)];
    for (const [key, values] of Object.entries(first)) {
      const size = Math.hypot(...values);
      const error = Math.hypot(...values.map((value, i) => value - (second[key]?.[i] ?? Number.NaN)));
      t.true(error <= 1e-4 * size + 1e-5, `${name} ${key}: ${error} of ${size}`);
    }
    const { loss } = one.outputs;
    if (!loss) continue;
    const kept = Object.entries(feeds).map(([key, data]) => [
      key,
      key.startsWith('random/') ? new Uint8Array(data.length).fill(1) : data,
    ]);
    const other = await run({ loss }, Object.fromEntries(kept));
    t.true(Math.abs((other.loss?.[0] ?? Number.NaN) - (first.loss?.[0] ?? 0)) > 1e-3);
  }
}
