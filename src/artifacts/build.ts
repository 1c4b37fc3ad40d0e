/**
 * Spec → the four graphs that training and evaluation run. Their inputs and outputs are the contract between the
 * graphs and the trainer, which knows nothing of models:
 *
 * | graph     | inputs beside the parameters                              | outputs |
 * |-----------|-----------------------------------------------------------|---------|
 * | loss-grad | images, labels, label_smoothing                           | loss, logits, grad/<path> |
 * | gr-exact  | images, labels, label_smoothing, lambda                   | the same (grad/<path> of L + λ‖∇L‖), grad_norm: ‖∇L‖ |
 * | hvp       | images, labels, label_smoothing, vector/<path>            | hvp/<path>: the Hessian of L times the vector |
 * | infer     | images, any number of them                                | logits |
 *
 * images: float32 [batch, channels, height, width], normalised; labels: int32 [batch]; the rest float32. The loss is
 * the mean over the batch. Every parameter is an input named by its path.
 */
import { grad, hvp } from '../autodiff/grad.ts';
import { globalNorm, penalizedGradient } from '../autodiff/gradient-norm.ts';
import { expectAt, expectNumber, expectOneOf } from '../expect.ts';
import { Scope, type Variable } from '../layers/scope.ts';
import { decayMask } from '../layers/weight-decay.ts';
import { crossEntropy } from '../losses/cross-entropy.ts';
import { buildModel } from '../models/index.ts';
import { type Graph, substitute, topologicalOrder } from '../onnx/graph.ts';
import { add, concat, identity, input, mul, reduceMean, reshape, slice } from '../onnx/ops.ts';
import { type Dim, isOp, type Value } from '../onnx/value.ts';
import { finish, type PassName, prepare } from '../passes/finish.ts';
import { FlatLayout } from '../step/flat.ts';
import { graphStep } from '../step/graph.ts';
import { type Program, usesHessian } from '../step/program.ts';
import type { Spec } from '../tasks/spec.ts';
import { topCounts } from './top-counts.ts';

/** The graphs of a spec; their inputs and outputs are in the table above. */
export const GRAPH_NAMES = ['loss-grad', 'gr-exact', 'hvp', 'infer'] as const;
/** One of `GRAPH_NAMES`. */
export type GraphName = (typeof GRAPH_NAMES)[number];

/**
 * How to trade time for memory:
 *
 * - `fast`: plain gradients are computed slice by slice of the batch, which is also faster; exact GR of all at once.
 * - `lean`: exact GR is computed in slices, too, and activation functions again in the second derivative.
 * - `remat`: exact GR runs the model twice, slice by slice, and keeps nothing in between. It costs as much as 12 forward
 *   passes instead of 9, and takes the memory of one slice.
 */
export const MEMORY_LEVELS = ['fast', 'lean', 'remat'] as const;
export type MemoryLevel = (typeof MEMORY_LEVELS)[number];

/** The fewest rows that the matrix products of a slice should have: with fewer they are slower. */
const ROWS: Readonly<Record<MemoryLevel, { readonly gradient: number; readonly exact: number }>> = {
  fast: { gradient: 1000, exact: Number.POSITIVE_INFINITY },
  lean: { gradient: 500, exact: 1000 },
  remat: { gradient: 250, exact: 250 },
};
const MOST_SLICES = 4;

/** What a spec does not say of its graphs. */
export interface Variant {
  /** Images that one run of a training graph holds. */
  readonly microBatch: number;
  readonly memory: MemoryLevel;
}

/** How to write the graphs of a spec. */
export interface BuildOptions {
  readonly memory?: MemoryLevel;
  /** Passes to leave out, to see what they are worth. */
  readonly without?: readonly PassName[];
}

/** The graphs of a spec by name, and the model's parameters in the order of the graphs' inputs. */
export interface BuiltGraphs {
  readonly memory: MemoryLevel;
  readonly parameters: readonly Variable[];
  readonly graphs: Readonly<Record<GraphName, Graph>>;
}

/**
 * The graphs of a spec; training graphs take `batch` images. Each is written when it is first asked for. Throws UserError
 * where the batch or an option is none.
 */
export function buildGraphs(spec: Spec, batch: number, options: BuildOptions = {}): BuiltGraphs {
  const builder = new Builder(spec, batch, options);
  const written = new Map<GraphName, Graph>();
  const graph = (name: GraphName): Graph => {
    const known = written.get(name) ?? builder.build(name);
    written.set(name, known);
    return known;
  };
  return {
    memory: options.memory ?? 'fast',
    parameters: builder.parameters,
    graphs: {
      get 'loss-grad'() {
        return graph('loss-grad');
      },
      get 'gr-exact'() {
        return graph('gr-exact');
      },
      get hvp() {
        return graph('hvp');
      },
      get infer() {
        return graph('infer');
      },
    },
  };
}

/** One of the graphs of a spec, of the inputs and outputs above. Throws UserError where an argument is none. */
export function buildGraph(spec: Spec, batch: number, name: GraphName, options: BuildOptions = {}): Graph {
  return new Builder(spec, batch, options).build(name);
}

/**
 * Writes a whole step of training as one graph, its state flat vectors (step/flat.ts), from a traced program:
 *
 * | inputs                                | outputs |
 * |---------------------------------------|---------|
 * | images, labels, label_smoothing       | theta_next, <slot>_next |
 * | theta, and each slot of the update rule | scores: loss, clean and regularized norm of the gradient, images whose label is first, and among the first 5 |
 * | learningRate, weightDecay, and the program's other scalars by name | |
 */
export function buildStep(spec: Spec, batch: number, program: Program, options: BuildOptions = {}): Graph {
  return new Builder(spec, batch, options).step(program);
}

interface Loss {
  readonly loss: Value;
  readonly logits: Value;
}

class Builder {
  readonly parameters: readonly Variable[];
  readonly #spec: Spec;
  readonly #batch: number;
  readonly #memory: MemoryLevel;
  readonly #without: readonly PassName[];
  readonly #images: Value;
  readonly #labels: Value;
  readonly #smoothing = input('label_smoothing', []);
  readonly #values: readonly Value[];
  /** The most rows that a product of the forward pass has. */
  readonly #rows: number;

  constructor(spec: Spec, batch: number, { memory = 'fast', without = [] }: BuildOptions) {
    const { channels, height, width } = spec.image;
    expectNumber('build: batch', batch, { min: 1, isInteger: true });
    expectOneOf('build: memory', memory, MEMORY_LEVELS);
    this.#spec = spec;
    this.#batch = batch;
    this.#memory = memory;
    this.#without = without;
    this.#images = input('images', [batch, channels, height, width]);
    this.#labels = input('labels', [batch], 'int32');
    const scope = new Scope();
    const logits = buildModel(scope, this.#images, spec.classes, spec.model);
    this.#rows = mostRows(logits);
    this.parameters = scope.parameters;
    this.#values = scope.parameters.map(({ value }) => value);
  }

  build(name: GraphName): Graph {
    expectOneOf('build: name', name, GRAPH_NAMES);
    if (name === 'infer') return buildInference(this.#spec);
    if (name === 'hvp') return this.#hvp();
    return name === 'loss-grad' ? this.#lossGrad() : this.#grExact();
  }

  #lossGrad(): Graph {
    const { loss, logits } = this.#loss(this.#slices('gradient'));
    const gradient = grad(loss, this.#values);
    const outputs = { loss, logits, ...this.#named('grad', gradient) };
    return this.#finish('loss-grad', [], outputs, ['loss', 'logits']);
  }

  #grExact(): Graph {
    const slices = this.#slices('exact');
    const { loss, logits } = this.#loss(slices);
    const gradient = grad(loss, this.#values);
    const norm = globalNorm(gradient);
    const lambda = input('lambda', []);
    const second = this.#secondTime(gradient, slices);
    const regularized = penalizedGradient(gradient, this.#values, norm, lambda, second);
    const outputs = {
      loss,
      grad_norm: norm,
      logits,
      ...this.#named('grad', regularized),
    };
    return this.#finish('gr-exact', [lambda], outputs, ['grad_norm', 'logits']);
  }

  #hvp(): Graph {
    const vector = this.parameters.map(({ path, shape }) => input(`vector/${path}`, shape));
    // Where the scale of a norm is folded into a linear layer, it multiplies the layer's weights. The product with the
    // Hessian would then need the gradient of these weights, which nothing else here needs, and which costs as much as
    // a forward pass.
    const { loss } = this.#loss(this.#slices('gradient'), this.#images, ['norm-into-linear']);
    const gradient = grad(loss, this.#values);
    const outputs = this.#named('hvp', hvp(gradient, this.#values, vector));
    const inputs = [this.#images, this.#labels, this.#smoothing, ...this.#values, ...vector];
    return finish({ name: 'hvp', inputs, outputs }, { target: this.#spec.target, without: this.#without });
  }

  step(program: Program): Graph {
    const layout = parameterLayout(this.parameters);
    const state = Object.fromEntries(
      Object.keys(program.next).map((slot) => [slot, input(slot, [layout.length])]),
    );
    const [learningRate, weightDecay] = [input('learningRate', []), input('weightDecay', [])];
    const slices = this.#slices(usesHessian(program) ? 'exact' : 'gradient');
    const { loss, logits } = this.#loss(slices);
    const gradient = grad(loss, this.#values);
    const { next, reports, scalars, places } = graphStep(program, {
      ...{ layout, state, gradient },
      parameters: this.#values,
      differentiated: this.#secondTime(gradient, slices),
      grouped: { learningRate: [learningRate, learningRate], weightDecay: [weightDecay, undefined] },
    });
    const told = [loss, reports.gradNorm, reports.regularizedNorm].map((value) => reshape(value, [1]));
    const outputs = {
      ...Object.fromEntries(Object.entries(next).map(([slot, value]) => [`${slot}_next`, value])),
      scores: concat([...told, topCounts(logits, this.#labels)], 0),
    };
    const values = substitute(Object.values(outputs), places);
    const inputs = [
      ...[this.#images, this.#labels, this.#smoothing],
      ...Object.values(state),
      ...[learningRate, weightDecay, ...scalars.values()],
    ];
    return finish(
      {
        name: 'step',
        inputs,
        outputs: Object.fromEntries(Object.keys(outputs).map((name, i) => [name, expectAt(values, i)])),
      },
      { target: this.#spec.target, without: this.#without },
    );
  }

  /** The gradient that exact GR differentiates. */
  #secondTime(gradient: readonly Value[], slices: number): readonly Value[] {
    if (this.#memory !== 'remat' || slices === 1) return gradient;
    // A second gradient, of a copy of the images: equal, but it shares no value with the first, so none has to be kept.
    return grad(this.#loss(slices, identity(this.#images)).loss, this.#values);
  }

  #finish(
    name: GraphName,
    scalars: readonly Value[],
    outputs: Readonly<Record<string, Value>>,
    early: readonly string[],
  ): Graph {
    const inputs = [this.#images, this.#labels, this.#smoothing, ...scalars, ...this.#values];
    // In one slice, remat keeps as much as fast, so it computes activation functions again instead.
    const isWhole =
      this.#memory === 'remat' && this.#slices(name === 'gr-exact' ? 'exact' : 'gradient') === 1;
    const recomputed = this.#memory === 'lean' || isWhole ? { recomputeAfter: early } : {};
    return finish(
      { name, inputs, outputs },
      { target: this.#spec.target, without: this.#without, ...recomputed },
    );
  }

  #named(prefix: string, of: readonly Value[]): Record<string, Value> {
    return Object.fromEntries(this.parameters.map(({ path }, i) => [`${prefix}/${path}`, expectAt(of, i)]));
  }

  /** Into how many slices to cut the batch: the most that are of equal size and have enough rows. */
  #slices(work: 'gradient' | 'exact'): number {
    // On a GPU fewer and larger operations are faster, so slices only serve to save memory.
    if (this.#spec.target === 'webgpu' && this.#memory === 'fast') return 1;
    const rows = ROWS[this.#memory][work];
    let slices = 1;
    for (let count = 2; count <= MOST_SLICES; count++) {
      if (this.#batch % count === 0 && this.#rows / count >= rows) slices = count;
    }
    return slices;
  }

  /**
   * The loss and the logits, computed slice by slice of the batch. A slice is small enough for the caches, and the next
   * one uses its memory again.
   */
  #loss(slices: number, images = this.#images, without: readonly PassName[] = []): Loss {
    const size = this.#batch / slices;
    const some = slice(images, 0, 0, size);
    const labels = slice(this.#labels, 0, 0, size);
    // The model is written again, on a slice; the parameters of the first time replace those of this one.
    const scope = new Scope();
    const logits = buildModel(scope, some, this.#spec.classes, this.#spec.model);
    const known = new Map(scope.parameters.map(({ value }, i) => [value, expectAt(this.#values, i)]));
    const parts = substitute(
      [reduceMean(crossEntropy(logits, labels, { smoothing: this.#smoothing })), logits],
      known,
    );
    const first = prepare(parts, [...this.#without, ...without]);
    const results = Array.from({ length: slices }, (_, i) => {
      const range = [i * size, (i + 1) * size] as const;
      const other = new Map([
        [some, slice(images, 0, ...range)],
        [labels, slice(this.#labels, 0, ...range)],
      ]);
      return i === 0 ? first : substitute(first, other);
    });
    const total = results.map((each) => expectAt(each, 0)).reduce((sum, loss) => add(sum, loss));
    const all = results.map((each) => expectAt(each, 1));
    return { loss: mul(total, 1 / slices), logits: concat(all, 0) };
  }
}

/** Where each parameter lies in the flat vectors of a whole step: those that decay are group 0, the others group 1. */
export function parameterLayout(
  parameters: readonly { readonly path: string; readonly shape: readonly number[] }[],
): FlatLayout {
  const decays = decayMask(parameters.map(({ path }) => path));
  return new FlatLayout(parameters.map(({ shape }, i) => ({ shape, group: decays[i] ? 0 : 1 })));
}

function mostRows(logits: Value): number {
  let most = 0;
  for (const node of topologicalOrder([logits])) {
    if (isOp(node, 'Gemm')) most = Math.max(most, Number(node.outputs[0].shape[0]));
  }
  return most;
}

/** The forward pass in standard ONNX, which runs anywhere; for any number of images where `batch` is not given. */
export function buildInference(spec: Spec, batch: Dim = 'batch'): Graph {
  const { channels, height, width } = spec.image;
  const images = input('images', [batch, channels, height, width]);
  const scope = new Scope();
  const logits = expectAt(prepare([buildModel(scope, images, spec.classes, spec.model)]), 0);
  const inputs = [images, ...scope.parameters.map(({ value }) => value)];
  return finish({ name: 'infer', inputs, outputs: { logits } }, { target: 'webgpu' });
}
