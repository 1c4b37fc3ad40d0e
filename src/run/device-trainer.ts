/**
 * Steps on a device: parameters, state and slots stay there, one graph takes them through derivatives, regularizer,
 * clipping and update, and a few numbers come back. Also for browsers.
 */
import { type GraphName, groupRates, type ParameterRates, type TaskGraphs } from '../artifacts/graphs.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import type { Variable } from '../layers/scope.ts';
import { serialize } from '../onnx/serialize.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { DeviceState, NextState, ResidentSession, Session, Tensor } from '../runtime/session.ts';
import type { Arrays } from '../step/host.ts';
import { traceStep } from '../step/program.ts';
import { none } from '../step/regularizers/none.ts';
import { batchFeeds, floatsOf, scalarTensor } from './engine.ts';
import {
  expectFinite,
  type StepPlan,
  type StepTold,
  startCopies,
  stepNumbers,
  type Trainer,
} from './trainer.ts';
import { VariableArrays } from './variables.ts';

export interface DeviceTrainerOptions {
  readonly manifest: Manifest;
  /** For the device's target; its micro-batch is the batch. */
  readonly graphs: TaskGraphs;
  readonly plan: StepPlan;
  readonly seed: number;
  /** Loads a graph of which the outputs in `next` stay on the device. */
  readonly open: (model: Uint8Array, next: NextState) => Promise<ResidentSession>;
  /** Loads a graph that runs beside the steps: that of the weights. */
  readonly load: (graph: GraphName) => Promise<Session>;
}

/**
 * A trainer whose steps begin with what its arrays hold at the first of them; later they hold what was last pulled.
 * The batch goes through in one pass, and what is stepped along cannot be looked at.
 */
export function createDeviceTrainer(options: DeviceTrainerOptions): Trainer {
  const { manifest, graphs, plan, seed, open, load } = options;
  const variables = new VariableArrays(manifest, plan.rule.slots.length);
  const rates = ({ path }: Pick<Variable, 'path'>): ParameterRates => {
    const { learningRate, weightDecay } = expectFound(
      variables.parameters.find((each) => each.path === path),
    );
    return { learningRate, weightDecay };
  };
  const { layout } = groupRates(graphs.parameters, rates);
  const slots = Object.fromEntries(plan.rule.slots.map((slot) => [slot, variables.allocate()]));
  const vectors: Readonly<Record<string, Arrays>> = { theta: variables.theta, ...slots };
  const next = Object.fromEntries([
    ...Object.keys(vectors).map((name) => [name, `${name}_next`]),
    ...manifest.state.map((path) => [path, `state/${path}_next`]),
  ]);
  const sessions = new Map<boolean, Promise<ResidentSession>>();
  const weights = new Map<string, Promise<Session>>();
  let state: DeviceState | undefined;

  const session = (active: boolean): Promise<ResidentSession> => {
    const regularizer = active ? plan.regularizer : none;
    const program = traceStep({ regularizer, rule: plan.rule });
    const loaded = sessions.get(active) ?? open(serialize(graphs.step(program, rates)), next);
    sessions.set(active, loaded);
    return loaded;
  };
  const free = async (kinds: Iterable<boolean>): Promise<void> => {
    for (const kind of [...kinds]) {
      const loaded = sessions.get(kind);
      sessions.delete(kind);
      await (await loaded)?.release();
    }
  };
  const upload = (to: ResidentSession): DeviceState =>
    to.upload({
      ...Object.fromEntries(
        Object.entries(vectors).map(([name, arrays]): [string, Tensor] => {
          const data = layout.pack(arrays);
          return [name, { dtype: 'float32', shape: [data.length], data }];
        }),
      ),
      ...Object.fromEntries(manifest.state.map((path) => [path, expectFound(variables.feeds[path])])),
    });
  const fixed = Object.fromEntries(
    manifest.variables
      .filter(({ role, path }) => role !== 'trainable' && !manifest.state.includes(path))
      .map(({ path }) => [path, expectFound(variables.feeds[path])]),
  );

  return {
    variables,
    rule: plan.rule,
    slots,
    async step(step, batch) {
      const { active, scalars } = plan.strength(step);
      const current = await session(active);
      if (!state) startCopies(plan.rule, step, variables.theta, slots);
      state ??= upload(current);
      const numbers = {
        ...(active
          ? Object.fromEntries(plan.regularizer.scalars.map((name) => [name, scalars[name] ?? 0]))
          : {}),
        ...stepNumbers(plan, step),
        learningRate: plan.learningRate(step),
        weightDecay: plan.weightDecay,
      };
      const about = { seed, step, ...(plan.scalars && { scalars: plan.scalars }) };
      const result = await current.run(state, {
        ...(await batchFeeds(manifest, batch, about, (graph) => {
          const loaded = weights.get(graph) ?? load(graph);
          weights.set(graph, loaded);
          return loaded;
        })),
        ...fixed,
        ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, scalarTensor(value)])),
      });
      const told = toldBy(result.outputs, manifest);
      try {
        expectFinite(step, batch, told, plan.remedies);
      } catch (error) {
        result.state.dispose(); // the state of before the step is the better one
        throw error;
      }
      state.dispose();
      state = result.state;
      // Warmup is over: its graph's memory is better used.
      await free([...sessions.keys()].filter((other) => other !== active));
      return told;
    },
    hessianTimes: () => {
      throw new Error('internal: derivatives of a step on a device stay there');
    },
    freeHessian: async () => {},
    async pull() {
      const tensors = (await state?.read()) ?? {};
      for (const [name, { data }] of Object.entries(tensors)) {
        if (!(data instanceof Float32Array)) throw new Error(`internal: a state with ${name}`);
        const arrays = vectors[name];
        if (arrays) layout.unpack(data, arrays);
        else variables.array(name).set(data);
      }
    },
    async release() {
      state?.dispose();
      state = undefined;
      await free(sessions.keys());
      for (const loaded of weights.values()) await (await loaded).release();
      weights.clear();
    },
  };
}

/** The numbers that a step's graph tells, in its order: loss, two norms, and the metrics' sums. */
function toldBy(outputs: Readonly<Record<string, Tensor>>, { sums }: Manifest): StepTold {
  const told = floatsOf(outputs, 'told');
  let end = 3;
  const entries = Object.entries(sums.training).map(([name, shape]): [string, Float64Array] => {
    const begin = end;
    end += sizeOf(shape);
    return [name, Float64Array.from(told.subarray(begin, end))];
  });
  const [loss = Number.NaN, gradNorm = Number.NaN, regularizedNorm = Number.NaN] = told;
  return { loss, gradNorm, regularizedNorm, sums: Object.fromEntries(entries) };
}

function expectFound<T>(found: T | undefined): T {
  if (found === undefined) throw new Error('internal: a variable that the manifest does not have');
  return found;
}
