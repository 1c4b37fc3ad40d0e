/**
 * Task → the graphs that training, evaluation and inference run. Their inputs and outputs are the contract between the
 * graphs and whoever runs them:
 *
 * | graph     | inputs beside the variables and the fields | outputs |
 * |-----------|--------------------------------------------|---------|
 * | loss-grad | random/…, scalar/…, weight/<term>          | loss, sums/…, grad/<path>, state/<path>, and output/<name> of those asked for |
 * | gr-exact  | the same, lambda                           | the same (grad/<path> of L + λ‖∇L‖), grad_norm |
 * | hvp       | the same as loss-grad, vector/<path>       | hvp/<path>: the Hessian of L times the vector |
 * | evaluate  |                                            | total/<term>, weight/<term>, sums/… |
 * | weights   | no variables                               | weight/<term> |
 * | infer     |                                            | what the task predicts |
 *
 * Every variable is an input named by its path; `grad` and `hvp` are of the trainable ones. The loss is Σ total/W over
 * its terms, with W = weight/<term> of the whole batch: what several micro-batches give adds up, without a mean. The
 * first three are of static size, the others take any number of examples.
 */
import { grad, hvp } from '../autodiff/grad.ts';
import { globalNorm, penalizedGradient } from '../autodiff/gradient-norm.ts';
import { UserError } from '../errors.ts';
import { expectNumber, expectOneOf } from '../expect.ts';
import type { RandomUniform, Role, Variable } from '../layers/scope.ts';
import { type Graph, substitute, topologicalOrder } from '../onnx/graph.ts';
import { add, concat, div, identity, input, mul, reshape, slice } from '../onnx/ops.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { type Dim, isOp, type Value } from '../onnx/value.ts';
import { finish, type PassName, prepare, TARGETS, type Target } from '../passes/finish.ts';
import { FlatLayout } from '../step/flat.ts';
import { graphStep } from '../step/graph.ts';
import { type Program, usesHessian } from '../step/program.ts';
import type { Task, Values } from '../tasks/task.ts';
import { type TracedTask, tracePrediction, traceTask, traceWeights, weightsOf } from '../tasks/trace.ts';

/** The graphs of a task; their inputs and outputs are in the table above. */
export const GRAPH_NAMES = ['loss-grad', 'gr-exact', 'hvp', 'evaluate', 'weights', 'infer'] as const;
/** One of `GRAPH_NAMES`. */
export type GraphName = (typeof GRAPH_NAMES)[number];

/**
 * What to trade time for memory:
 *
 * - `fast`: plain gradients go through the model in slices of the batch, which is faster too; exact GR in one.
 * - `lean`: exact GR in slices too, and activation functions are computed again in the second derivative.
 * - `remat`: exact GR goes through the model twice, slice by slice, and keeps nothing in between: 12 units of work
 *   instead of 9, in the memory of a slice.
 */
export const MEMORY_LEVELS = ['fast', 'lean', 'remat'] as const;
/** One of `MEMORY_LEVELS`. */
export type MemoryLevel = (typeof MEMORY_LEVELS)[number];

/** What a run chooses to fit into memory. */
export interface MemoryVariant {
  /** Examples that one run of a training graph holds. */
  readonly microBatch: number;
  readonly memory: MemoryLevel;
}

/** The fewest rows that a slice's matrix products should have: products of fewer are slower. */
const ROWS: Readonly<Record<MemoryLevel, { readonly gradient: number; readonly exact: number }>> = {
  fast: { gradient: 1000, exact: Number.POSITIVE_INFINITY },
  lean: { gradient: 500, exact: 1000 },
  remat: { gradient: 250, exact: 250 },
};
const MOST_SLICES = 4;

/**
 * Passes that pay for a gradient only, not where it is differentiated again: of CaiT-micro ×64 `scale-into-linear` makes the
 * gradient take 0.90 of the CPU time, and exact GR 1.08.
 */
const NOT_TWICE: readonly PassName[] = ['scale-into-linear'];

/** How the graphs of a task are written. */
export interface GraphOptions {
  /** Examples that one run of a training graph holds. */
  readonly batch: number;
  readonly memory?: MemoryLevel;
  readonly target?: Target;
  /** Roles of variables other than the model gives them. */
  readonly roles?: (variable: Variable) => Role;
  /** Passes to leave out, to see what they are worth. */
  readonly without?: readonly PassName[];
  /** What the graphs of gradients also give of the task's outputs, as output/<name>; none where it is left out. */
  readonly predicts?: readonly string[];
}

/** The rates of a parameter in its update: factors of the run's. */
export interface ParameterRates {
  readonly learningRate: number;
  readonly weightDecay: number;
}

/** The graphs of a task, each written when it is asked for. */
export class TaskGraphs {
  readonly memory: MemoryLevel;
  readonly batch: number;
  readonly target: Target;
  /** One training pass over a batch: what its graphs take and give. */
  readonly pass: TracedTask;
  readonly parameters: readonly Variable[];
  readonly task: Task;
  readonly #options: GraphOptions;
  readonly #without: readonly PassName[];
  /** How many rows the products of the forward pass have. */
  readonly #rows: number;
  /** Of each term, by its name: what its total is divided by. */
  readonly #weights: Values;
  readonly #written = new Map<GraphName, Graph>();

  /** Throws UserError that names what in the task, or which option, is not right. */
  constructor(task: Task, options: GraphOptions) {
    const { batch, memory = 'fast', target = 'cpu', roles, without = [] } = options;
    expectNumber('graphs: batch', batch, { min: 1, isInteger: true });
    expectOneOf('graphs: memory', memory, MEMORY_LEVELS);
    expectOneOf('graphs: target', target, TARGETS);
    this.memory = memory;
    this.batch = batch;
    this.target = target;
    this.task = task;
    this.#options = options;
    this.#without = without;
    this.pass = traceTask(task, { batch, training: true, ...(roles && { roles }) });
    this.parameters = this.pass.variables.filter(({ role }) => role === 'trainable');
    this.#weights = Object.fromEntries(
      this.pass.terms.map(({ name }) => [name, input(`weight/${name}`, [])]),
    );
    this.#rows = rowsOfProducts(this.pass.terms.map(({ total }) => total));
    this.#expectReached();
  }

  /** One of the graphs in the table above. Throws UserError for another name. */
  graph(name: GraphName): Graph {
    expectOneOf('graphs: name', name, GRAPH_NAMES);
    const graph = this.#written.get(name) ?? this.#write(name);
    this.#written.set(name, graph);
    return graph;
  }

  /**
   * A whole step as one graph, its state flat vectors (step/flat.ts):
   *
   * | inputs                                              | outputs |
   * |-----------------------------------------------------|---------|
   * | fields, random/…, scalar/…, weight/…, frozen variables | theta_next, <slot>_next |
   * | theta, and the slots of rule and regularizer        | told: loss, gradNorm, regularizedNorm, then the sums, flat |
   * | state/<path>, the program's scalars, learningRate, weightDecay | state/<path>_next |
   */
  step(program: Program, rates: (parameter: Variable) => ParameterRates): Graph {
    const { layout, state, given, grouped } = stepInputs(program, this.parameters, rates);
    const isTwice = usesHessian(program);
    const slices = this.#slices(isTwice ? 'exact' : 'gradient');
    const { loss, sums, nextState } = this.#forward(slices, asItIs, isTwice ? NOT_TWICE : []);
    const gradient = grad(loss, this.#values);
    const { next, reports, scalars, places } = graphStep(program, {
      ...{ layout, state, gradient, grouped },
      parameters: this.#values,
      differentiated: this.#secondTime(gradient, slices),
    });
    const told = [loss, reports.gradNorm, reports.regularizedNorm, ...Object.values(sums)];
    const outputs = {
      ...suffixed(next, '_next'),
      told: concat(
        told.map((value) => reshape(value, [sizeOf(value.shape)])),
        0,
      ),
      ...suffixed(prefixed('state', nextState), '_next'),
    };
    const values = substitute(Object.values(outputs), places);
    return this.#finish('step', {
      inputs: [
        ...this.#inputs,
        ...this.#others,
        ...Object.values({ ...state, ...given }),
        ...scalars.values(),
      ],
      outputs: Object.fromEntries(Object.keys(outputs).map((name, i) => [name, at(values, i)])),
    });
  }

  #write(name: GraphName): Graph {
    switch (name) {
      case 'loss-grad':
        return this.#lossGrad();
      case 'gr-exact':
        return this.#grExact();
      case 'hvp':
        return this.#hvp();
      case 'evaluate':
        return evaluationGraph(this.task);
      case 'weights':
        return weightsGraph(this.task);
      case 'infer':
        return inferenceGraph(this.task);
    }
  }

  #lossGrad(): Graph {
    const slices = this.#slices('gradient');
    const { loss, sums, nextState, predicted } = this.#forward(slices);
    const outputs = {
      loss,
      ...prefixed('sums', sums),
      ...this.#named('grad', grad(loss, this.#values)),
      ...prefixed('state', nextState),
      ...prefixed('output', predicted),
    };
    return this.#finish('loss-grad', { outputs }, slices, ['loss', ...Object.keys(prefixed('sums', sums))]);
  }

  #grExact(): Graph {
    const slices = this.#slices('exact');
    const { loss, sums, nextState, predicted } = this.#forward(slices, asItIs, NOT_TWICE);
    const gradient = grad(loss, this.#values);
    const norm = globalNorm(gradient);
    const lambda = input('lambda', []);
    const second = this.#secondTime(gradient, slices);
    const regularized = penalizedGradient(gradient, this.#values, norm, lambda, second);
    const outputs = {
      loss,
      grad_norm: norm,
      ...prefixed('sums', sums),
      ...this.#named('grad', regularized),
      ...prefixed('state', nextState),
      ...prefixed('output', predicted),
    };
    const inputs = [...this.#inputs, lambda, ...this.#variables];
    return this.#finish('gr-exact', { inputs, outputs }, slices, [
      'grad_norm',
      ...Object.keys(prefixed('sums', sums)),
    ]);
  }

  #hvp(): Graph {
    const vector = this.parameters.map(({ path, shape }) => input(`vector/${path}`, shape));
    // A scale folded into a linear layer is a factor of its weights: its tangent would need the gradient of these, which
    // nothing else here does, and which is as much work again as the forward pass.
    const { loss } = this.#forward(this.#slices('gradient'), asItIs, ['norm-into-linear', ...NOT_TWICE]);
    const gradient = grad(loss, this.#values);
    const outputs = this.#named('hvp', hvp(gradient, this.#values, vector));
    return this.#finish('hvp', { inputs: [...this.#inputs, ...this.#variables, ...vector], outputs });
  }

  /** The trainable variables' values, in their order. */
  get #values(): Value[] {
    return this.parameters.map(({ value }) => value);
  }

  get #variables(): Value[] {
    return this.pass.variables.map(({ value }) => value);
  }

  get #others(): Value[] {
    return this.pass.variables.filter(({ role }) => role !== 'trainable').map(({ value }) => value);
  }

  /** The inputs of a pass beside its variables: fields, random numbers, scalars, weights. */
  get #inputs(): Value[] {
    const { fields, scalars } = this.pass;
    return [
      ...Object.values(fields),
      ...randomsOf(this.pass).map(({ value }) => value),
      ...scalars.map(({ value }) => value),
      ...Object.values(this.#weights),
    ];
  }

  /** The gradient to be differentiated for exact GR. */
  #secondTime(gradient: readonly Value[], slices: number): readonly Value[] {
    if (this.memory !== 'remat' || slices === 1) return gradient;
    // Through the model again: of equal but other values, so that nothing is shared with the first time.
    return grad(this.#forward(slices, identity, NOT_TWICE).loss, this.#values);
  }

  #finish(
    name: string,
    graph: { readonly inputs?: readonly Value[]; readonly outputs: Values },
    slices = 1,
    early: readonly string[] = [],
  ): Graph {
    const inputs = graph.inputs ?? [...this.#inputs, ...this.#variables];
    expectNames(name, inputs);
    // In one slice, remat would keep as much as fast.
    const recomputes = this.memory === 'lean' || (this.memory === 'remat' && slices === 1);
    return finish(
      { name, inputs, outputs: graph.outputs },
      { target: this.target, without: this.#without, ...(recomputes && { recomputeAfter: early }) },
    );
  }

  #named(prefix: string, of: readonly Value[]): Values {
    return Object.fromEntries(this.parameters.map(({ path }, i) => [`${prefix}/${path}`, at(of, i)]));
  }

  /** Into how many slices to cut the batch: the most that it divides into with enough rows each. */
  #slices(work: 'gradient' | 'exact'): number {
    if (this.pass.coupled || this.pass.nextState.size > 0) return 1;
    // On a GPU fewer and larger operations are faster: it takes slices only to save memory.
    if (this.target === 'webgpu' && this.memory === 'fast') return 1;
    const rows = ROWS[this.memory][work];
    let slices = 1;
    for (let count = 2; count <= MOST_SLICES; count++) {
      if (this.batch % count === 0 && this.#rows / count >= rows) slices = count;
    }
    return slices;
  }

  /**
   * The loss and the sums, of slices of the batch that go through the model one after the other: each is small enough
   * for the caches, and the next can use the memory that one leaves. `copy` stands between a field and the model.
   */
  #forward(
    slices: number,
    copy: (field: Value) => Value = asItIs,
    without: readonly PassName[] = [],
  ): Forward {
    const { roles } = this.#options;
    const size = this.batch / slices;
    // Variables and scalars are those of the first time, found by their names.
    const traced = traceTask(this.task, { batch: size, training: true, ...(roles && { roles }) });
    const known = new Map<Value, Value>();
    traced.variables.forEach(({ value }, i) => {
      known.set(value, at(this.#variables, i));
    });
    traced.scalars.forEach(({ value }, i) => {
      known.set(
        value,
        at(
          this.pass.scalars.map((scalar) => scalar.value),
          i,
        ),
      );
    });
    const totals = traced.terms.map(({ total }) => total);
    const sums = Object.values(traced.sums);
    const states = [...traced.nextState.values()];
    const names = Object.keys(traced.sums);
    const wanted = this.#options.predicts ?? [];
    const predicted = wanted.map((name) => fieldOf(traced.outputs, name));
    const parts = prepare(substitute([...totals, ...sums, ...states, ...predicted], known), [
      ...this.#without,
      ...without,
    ]);
    const results = Array.from({ length: slices }, (_, k) => {
      const cut = (value: Value): Value => slice(value, 0, k * size, (k + 1) * size);
      const places = new Map<Value, Value>();
      for (const [name, value] of Object.entries(traced.fields)) {
        places.set(value, cut(copy(fieldOf(this.pass.fields, name))));
      }
      randomsOf(traced).forEach(({ value, per }, i) => {
        const whole = at(
          randomsOf(this.pass).map((each) => each.value),
          i,
        );
        places.set(value, per === 'example' ? cut(whole) : whole);
      });
      return substitute(parts, places);
    });
    const summed = parts.length - predicted.length;
    const added = parts
      .slice(0, summed)
      .map((_, i) => results.map((each) => at(each, i)).reduce((a, b) => add(a, b)));
    const losses = traced.terms.map(({ name }, i) => div(at(added, i), fieldOf(this.#weights, name)));
    const ofAll = (i: number): Value => {
      const cuts = results.map((each) => at(each, summed + i));
      return slices === 1 ? at(cuts, 0) : concat(cuts, 0);
    };
    return {
      predicted: Object.fromEntries(wanted.map((name, i) => [name, ofAll(i)])),
      loss: losses.reduce((a, b) => add(a, b)),
      sums: Object.fromEntries(names.map((name, i) => [name, at(added, totals.length + i)])),
      nextState: Object.fromEntries(
        [...traced.nextState.keys()].map((path, i) => [path, at(added, totals.length + sums.length + i)]),
      ),
    };
  }

  #expectReached(): void {
    const inputs = new Set(
      topologicalOrder(this.pass.terms.map(({ total }) => total)).flatMap(({ outputs }) => [...outputs]),
    );
    if (this.parameters.length === 0) {
      const frozen = this.pass.variables.length;
      throw new UserError(
        `task: expected at least one trainable variable, got none; ${frozen > 0 ? 'freeze fewer' : 'ask the scope for one: scope.param(name, shape, init)'}`,
      );
    }
    if (!this.parameters.some(({ value }) => inputs.has(value))) {
      throw new UserError(
        `loss: expected it to depend on a trainable variable, got none of ${this.parameters.map(({ path }) => path).join(', ')}: there is nothing to learn`,
      );
    }
  }
}

/** The random inputs of a pass. */
function randomsOf({ masks, uniforms }: TracedTask): readonly RandomUniform[] {
  return [...masks, ...uniforms];
}

interface Forward {
  readonly loss: Value;
  readonly sums: Values;
  readonly nextState: Values;
  /** Of the whole batch. */
  readonly predicted: Values;
}

/**
 * What a whole set is measured with, for any number of examples, in standard ONNX so that it runs wherever ONNX does;
 * with `predicts` it also gives what the task predicts, as output/<name>.
 */
export function evaluationGraph(task: Task, { predicts = false } = {}): Graph {
  const traced = traceTask(task, { batch: 'batch', training: false });
  const { fields, variables, terms, sums } = traced;
  const outputs = {
    ...Object.fromEntries(terms.map(({ name, total }) => [`total/${name}`, total])),
    ...weightsOf(terms),
    ...prefixed('sums', sums),
    ...(predicts && prefixed('output', traced.outputs)),
  };
  const inputs = [...Object.values(fields), ...variables.map(({ value }) => value)];
  return portable('evaluate', inputs, outputs);
}

/** The sums of a batch's weights, before its pass. */
function weightsGraph(task: Task): Graph {
  const { fields, weights } = traceWeights(task);
  const values = Object.values(weights);
  if (values.length === 0) throw new Error('internal: a task without weights needs no graph of them');
  return portable('weights', reached(Object.values(fields), values), weights);
}

/** What the task predicts, in standard ONNX so that it runs wherever ONNX does. */
export function inferenceGraph(task: Task, batch: Dim = 'batch'): Graph {
  const { fields, outputs, variables } = tracePrediction(task, batch);
  const inputs = [
    ...reached(Object.values(fields), Object.values(outputs)),
    ...variables.map(({ value }) => value),
  ];
  return portable('infer', inputs, outputs);
}

function portable(name: string, inputs: readonly Value[], outputs: Values): Graph {
  expectNames(name, inputs, Object.keys(outputs));
  const prepared = prepare(Object.values(outputs));
  const named = Object.fromEntries(Object.keys(outputs).map((output, i) => [output, at(prepared, i)]));
  return finish({ name, inputs, outputs: named }, { target: 'webgpu' });
}

/** Throws UserError where two inputs, or an input and an output, have one name. */
function expectNames(graph: string, inputs: readonly Value[], outputs: readonly string[] = []): void {
  const taken = new Set(outputs);
  for (const { node } of inputs) {
    const name = isOp(node, 'Input') ? node.attributes.name : '';
    if (taken.has(name)) {
      throw new UserError(
        `task: expected other names of fields and variables, got ${name}, which the graph ${graph} has already; rename it`,
      );
    }
    taken.add(name);
  }
}

/** The inputs that some values depend on. */
function reached(inputs: readonly Value[], values: readonly Value[]): Value[] {
  const nodes = new Set(topologicalOrder(values));
  return inputs.filter(({ node }) => nodes.has(node));
}

/** Parameters of the same rates together. */
export function groupRates(
  parameters: readonly Variable[],
  rates: (parameter: Variable) => ParameterRates,
): { readonly layout: FlatLayout; readonly groups: readonly ParameterRates[] } {
  const groups: ParameterRates[] = [];
  const placed = parameters.map((parameter) => {
    const own = rates(parameter);
    const known = groups.findIndex(
      ({ learningRate, weightDecay }) => learningRate === own.learningRate && weightDecay === own.weightDecay,
    );
    if (known >= 0) return { shape: parameter.shape, group: known };
    return { shape: parameter.shape, group: groups.push(own) - 1 };
  });
  return { layout: new FlatLayout(placed), groups };
}

/** What a step's graph takes but gradients: the program's state as flat vectors, and two rates, which each group scales. */
export function stepInputs(
  program: Program,
  parameters: readonly Variable[],
  rates: (parameter: Variable) => ParameterRates,
) {
  const { layout, groups } = groupRates(parameters, rates);
  const state = Object.fromEntries(
    Object.keys(program.next).map((slot) => [slot, input(slot, [layout.length])]),
  );
  const given = { learningRate: input('learningRate', []), weightDecay: input('weightDecay', []) };
  const scaled = (rate: keyof ParameterRates): (Value | undefined)[] =>
    groups.map((factors) => (factors[rate] === 0 ? undefined : mul(given[rate], factors[rate])));
  const grouped = { learningRate: scaled('learningRate'), weightDecay: scaled('weightDecay') };
  return { layout, state, given, grouped };
}

/**
 * The rows of the forward pass's products: the median over the numbers of their right factors, so that a small head does
 * not count. A recurrent network's products are many and have few rows: a batch of them is not cut.
 */
function rowsOfProducts(values: readonly Value[]): number {
  const products = topologicalOrder(values).flatMap((node) =>
    isOp(node, 'Gemm')
      ? [{ rows: Number(node.outputs[0].shape[0]), size: sizeOf(node.inputs[1].shape) }]
      : [],
  );
  products.sort((a, b) => b.rows - a.rows);
  let left = products.reduce((sum, { size }) => sum + size, 0) / 2;
  for (const { rows, size } of products) {
    left -= size;
    if (left <= 0) return rows;
  }
  return 0;
}

function prefixed(prefix: string, values: Values): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]));
}

function suffixed(values: Values, suffix: string): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${name}${suffix}`, value]));
}

function fieldOf(values: Values, name: string): Value {
  const value = values[name];
  if (!value) throw new Error(`internal: no ${name}`);
  return value;
}

function at(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (!value) throw new Error(`internal: no value ${index}`);
  return value;
}

function asItIs(field: Value): Value {
  return field;
}
