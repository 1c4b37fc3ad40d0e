/**
 * Steps on a device: parameters, state and slots stay there, one graph takes them through derivatives, regularizer,
 * clipping and update, and a few numbers come back. Also for browsers.
 */
import { type GraphName, groupRates, type ParameterRates, type TaskGraphs } from '../artifacts/graphs.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import type { Batch } from '../data/batch.ts';
import type { Variable } from '../layers/scope.ts';
import { serialize } from '../onnx/serialize.ts';
import { sizeOf } from '../onnx/shapes.ts';
import type { DeviceState, NextState, ResidentSession, Session, Tensor } from '../runtime/session.ts';
import type { FlatLayout } from '../step/flat.ts';
import type { Arrays } from '../step/host.ts';
import { scalarsIn, slotsOf, traceStep, type UpdateRule, type Use } from '../step/program.ts';
import { batchFeeds, floatsOf, scalarTensor } from './engine.ts';
import {
  expectFinite,
  type StepPlan,
  type StepTold,
  startCopies,
  stepNumbers,
  type Trainer,
  useOf,
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
  return new DeviceTrainer(options);
}

type Load = DeviceTrainerOptions['load'];

/** A graph of a step, and which strengths of the regularizer it takes. */
interface OpenStep {
  readonly session: ResidentSession;
  readonly strengths: readonly string[];
}

class DeviceTrainer implements Trainer {
  readonly variables: VariableArrays;
  readonly rule: UpdateRule;
  readonly slots: Readonly<Record<string, Arrays>>;
  readonly #options: DeviceTrainerOptions;
  /** What lies on the device as flat vectors, by the names of the graph's inputs. */
  readonly #vectors: Readonly<Record<string, Arrays>>;
  readonly #layout: FlatLayout;
  /** Variables that no step changes. */
  readonly #fixed: readonly string[];
  /** Graphs of steps, by what they take of the regularizer. */
  readonly #steps = new Map<Use, Promise<OpenStep>>();
  readonly #beside = new Map<GraphName, Promise<Session>>();
  #state: DeviceState | undefined;

  constructor(options: DeviceTrainerOptions) {
    const { manifest, graphs, plan } = options;
    const slots = slotsOf(plan);
    const variables = new VariableArrays(manifest, slots.length);
    this.#options = options;
    this.variables = variables;
    this.rule = plan.rule;
    this.slots = Object.fromEntries(slots.map((slot) => [slot, variables.allocate()]));
    this.#vectors = { theta: variables.theta, ...this.slots };
    this.#layout = groupRates(graphs.parameters, this.#rates).layout;
    this.#fixed = manifest.variables.flatMap(({ role, path }) =>
      role === 'trainable' || manifest.state.includes(path) ? [] : [path],
    );
  }

  async step(step: number, batch: Batch): Promise<StepTold> {
    const { manifest, plan } = this.#options;
    const use = useOf(plan.strength(step));
    const { session, strengths } = await this.#stepOf(use);
    if (!this.#state) startCopies(plan.rule, step, this.variables.theta, this.slots);
    this.#state ??= this.#upload(session);
    const result = await session.run(this.#state, await this.#feeds(step, batch, strengths));
    const told = toldBy(result.outputs, manifest);
    try {
      expectFinite(step, batch, told, plan.remedies);
    } catch (error) {
      result.state.dispose(); // the state of before the step is the better one
      throw error;
    }
    this.#state.dispose();
    this.#state = result.state;
    // Warmup is over: its graph's memory is better used. What is kept is used again and again.
    await this.#free([...this.#steps.keys()].filter((other) => (other === 'none') !== (use === 'none')));
    return told;
  }

  hessianTimes(): never {
    throw new Error('internal: derivatives of a step on a device stay there');
  }

  async freeHessian(): Promise<void> {}

  async pull(): Promise<void> {
    const tensors = (await this.#state?.read()) ?? {};
    for (const [name, { data }] of Object.entries(tensors)) {
      if (!(data instanceof Float32Array)) throw new Error(`internal: a state with ${name}`);
      const arrays = this.#vectors[name];
      if (arrays) this.#layout.unpack(data, arrays);
      else this.variables.array(name).set(data);
    }
  }

  async release(): Promise<void> {
    this.#state?.dispose();
    this.#state = undefined;
    await this.#free([...this.#steps.keys()]);
    for (const loaded of this.#beside.values()) await (await loaded).release();
    this.#beside.clear();
  }

  readonly #rates = ({ path }: Pick<Variable, 'path'>): ParameterRates =>
    expectFound(this.variables.parameters.find((each) => each.path === path));

  #stepOf(use: Use): Promise<OpenStep> {
    const loaded = this.#steps.get(use) ?? this.#open(use);
    this.#steps.set(use, loaded);
    return loaded;
  }

  async #open(use: Use): Promise<OpenStep> {
    const { graphs, plan, open, manifest } = this.#options;
    const { regularizer, rule, weightDecayIn = 'update' } = plan;
    const program = traceStep({ regularizer, rule, use, weightDecayIn });
    const next = Object.fromEntries([
      ...Object.keys(this.#vectors).map((name) => [name, `${name}_next`]),
      ...manifest.state.map((path) => [path, `state/${path}_next`]),
    ]);
    const read = scalarsIn(program);
    return {
      session: await open(serialize(graphs.step(program, this.#rates)), next),
      strengths: regularizer.scalars.filter((name) => read.has(name)),
    };
  }

  async #free(uses: readonly Use[]): Promise<void> {
    for (const use of uses) {
      const loaded = this.#steps.get(use);
      this.#steps.delete(use);
      await (await loaded)?.session.release();
    }
  }

  #upload(to: ResidentSession): DeviceState {
    const flat = Object.entries(this.#vectors).map(([name, arrays]): [string, Tensor] => {
      const data = this.#layout.pack(arrays);
      return [name, { dtype: 'float32', shape: [data.length], data }];
    });
    return to.upload({ ...Object.fromEntries(flat), ...this.#feedsOf(this.#options.manifest.state) });
  }

  /** What a step's graph reads beside the state: the batch, the masks, and numbers that vary over the steps. */
  async #feeds(
    step: number,
    batch: Batch,
    strengths: OpenStep['strengths'],
  ): Promise<Record<string, Tensor>> {
    const { manifest, plan, seed } = this.#options;
    const { scalars } = plan.strength(step);
    const numbers: Readonly<Record<string, number>> = {
      ...Object.fromEntries(strengths.map((name) => [name, scalars[name] ?? 0])),
      ...stepNumbers(plan, step),
      learningRate: plan.learningRate(step),
      weightDecay: plan.weightDecay,
    };
    const about = { seed, step, ...(plan.scalars && { scalars: plan.scalars }) };
    return {
      ...(await batchFeeds(manifest, batch, about, this.#load)),
      ...this.#feedsOf(this.#fixed),
      ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, scalarTensor(value)])),
    };
  }

  readonly #load: Load = (graph) => {
    const loaded = this.#beside.get(graph) ?? this.#options.load(graph);
    this.#beside.set(graph, loaded);
    return loaded;
  };

  #feedsOf(paths: readonly string[]): Record<string, Tensor> {
    return Object.fromEntries(paths.map((path) => [path, expectFound(this.variables.feeds[path])]));
  }
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
