/**
 * The arrays and graphs of a training session: gradients add up over training steps until they are reset, and an
 * optimizer step goes along their sum. Derivatives, regularizers and update rules are those of src/run and src/step. Also
 * for browsers.
 */
import { createSession } from '#runtime';
import type { Manifest } from '../artifacts/manifest.ts';
import type { Batch } from '../data/batch.ts';
import { UserError } from '../errors.ts';
import { expectAt } from '../expect.ts';
import { createEngine, type Engine } from '../run/engine.ts';
import { DivergedError, ratesAt, type StepPlan, startCopies, stepNumbers } from '../run/trainer.ts';
import { VariableArrays } from '../run/variables.ts';
import type { SessionOptions, Tensor } from '../runtime/session.ts';
import { type Arrays, type HostPlan, planStep } from '../step/host.ts';
import { traceGradient, traceStep, type UpdateRule } from '../step/program.ts';
import { exact } from '../step/regularizers/exact.ts';
import { none } from '../step/regularizers/none.ts';
import { combine } from '../step/vectors.ts';
import type { GraphSource } from './source.ts';

export interface CoreOptions {
  readonly source: GraphSource;
  readonly manifest: Manifest;
  /** The rule is that of the plan; without an optimizer none is kept for it. */
  readonly plan: StepPlan;
  readonly hasOptimizer: boolean;
  readonly seed: number;
  readonly session: SessionOptions;
}

/** What a training step tells. */
export interface CoreStep {
  readonly loss: number;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** ‖∇L‖ of the batch, and the norm of what is added to the sum. */
  readonly gradNorm: number;
  readonly regularizedNorm: number;
}

/** Batch sizes whose graphs stay loaded. */
const SIZES = 4;

const NO_RULE: UpdateRule = {
  name: 'none',
  slots: [],
  scalars: () => ({}),
  next: () => ({ theta: { op: 'variable', slot: 'theta' } }),
};

export class SessionCore {
  readonly variables: VariableArrays;
  readonly rule: UpdateRule;
  readonly slots: Readonly<Record<string, Arrays>>;
  /** How many training steps that is the sum of. */
  added = 0;
  trainSteps = 0;
  optimizerSteps = 0;
  readonly #options: CoreOptions;
  readonly #engines = new Map<number, Engine>();
  readonly #gradientPlans = new Map<string, HostPlan>();
  readonly #updatePlan: HostPlan;
  #gradient: Arrays | undefined;

  constructor(options: CoreOptions) {
    const { manifest, plan, hasOptimizer } = options;
    this.#options = options;
    this.rule = hasOptimizer ? plan.rule : NO_RULE;
    const { weightDecayIn = 'update' } = plan;
    if (weightDecayIn === 'loss' && plan.regularizer !== none) {
      throw new UserError(
        "optimizer: weightDecayIn 'loss': in a session the gradient is regularized before the optimizer sees it; leave it out, or train without gr",
      );
    }
    this.#updatePlan = planStep(traceStep({ regularizer: none, rule: this.rule, weightDecayIn }));
    const plans = [
      ...[true, false].map((whole) => this.#gradientPlan(true, whole)),
      this.#gradientPlan(false, false),
    ];
    const scratch = Math.max(this.#updatePlan.scratch, ...plans.map((each) => each.scratch));
    this.variables = new VariableArrays(manifest, this.rule.slots.length + 1 + scratch);
    this.slots = Object.fromEntries(this.rule.slots.map((slot) => [slot, this.variables.allocate()]));
  }

  /** The sum of the gradients, in the order of the parameters. */
  get gradient(): Arrays {
    this.#gradient ??= this.variables.allocate();
    return this.#gradient;
  }

  /** Loss and gradient of a batch; the gradient is added to the sum. Throws DivergedError before anything is changed. */
  async train(batch: Batch): Promise<CoreStep> {
    const { examples } = batch;
    const { source, plan } = this.#options;
    const size = source.sizeFor(examples);
    const { active, scalars } = plan.strength(this.optimizerSteps);
    const whole = active && plan.regularizer === exact && size === examples;
    const pass = await this.#engine(size).pass(batch, { step: this.trainSteps });
    let told: CoreStep | undefined;
    const gradientPlan = this.#gradientPlan(active, whole);
    await gradientPlan.run({
      derivatives: pass.derivatives,
      state: { theta: this.variables.theta },
      scratch: (index) => this.variables.scratch(index),
      scalars: { uniform: scalars, grouped: {} },
      beforeUpdate: ({ gradNorm, regularizedNorm }, regularized = []) => {
        const { loss, outputs } = pass.result();
        expectFinite({ loss, gradNorm, regularizedNorm });
        // Without scratch it is what a derivative gave, which is ours.
        if (this.added === 0 && gradientPlan.scratch === 0) this.#gradient = regularized;
        else this.#add(regularized);
        this.added++;
        told = { loss, outputs, gradNorm, regularizedNorm };
      },
    });
    for (const [path, values] of Object.entries(pass.result().state)) this.variables.array(path).set(values);
    this.trainSteps++;
    if (!told) throw new Error('internal: a training step that told nothing');
    return told;
  }

  /** The update along the sum of the gradients, which stays. Throws DivergedError before anything is changed. */
  async update(rates: Pick<StepPlan, 'learningRate' | 'weightDecay'>): Promise<void> {
    const step = this.optimizerSteps;
    const plan = { ...this.#options.plan, ...rates, rule: this.rule };
    startCopies(this.rule, step, this.variables.theta, this.slots);
    await this.#updatePlan.run({
      derivatives: {
        gradient: async () => this.gradient,
        hessianTimes: () => Promise.reject(new Error('internal: an update that differentiates')),
      },
      state: { theta: this.variables.theta, ...this.slots },
      scratch: (index) => this.variables.scratch(index),
      scalars: {
        uniform: stepNumbers(plan, step),
        grouped: ratesAt(this.variables.parameters, plan, step),
      },
    });
    this.optimizerSteps++;
  }

  resetGradient(): void {
    this.added = 0;
  }

  async release(): Promise<void> {
    const engines = [...this.#engines.values()];
    this.#engines.clear();
    for (const engine of engines) await engine.release();
  }

  #add(gradient: Arrays): void {
    this.gradient.forEach((sum, k) => {
      const term = expectAt(gradient, k);
      if (this.added === 0) sum.set(term);
      else combine(sum, 1, sum, 1, term);
    });
  }

  #gradientPlan(active: boolean, whole: boolean): HostPlan {
    const regularizer = active ? this.#options.plan.regularizer : none;
    const key = `${active} ${whole}`;
    const plan =
      this.#gradientPlans.get(key) ??
      planStep(traceGradient({ regularizer, whole: whole && regularizer === exact }));
    this.#gradientPlans.set(key, plan);
    return plan;
  }

  #engine(size: number): Engine {
    const known = this.#engines.get(size);
    if (known) return known;
    const { source, seed, session } = this.#options;
    const [oldest] = this.#engines.keys();
    if (oldest !== undefined && this.#engines.size >= SIZES) {
      void this.#engines.get(oldest)?.release();
      this.#engines.delete(oldest);
    }
    const engine = createEngine({
      manifest: source.manifestFor(size),
      variables: this.variables,
      seed,
      load: (graph) => createSession(source.model(graph, size), session),
    });
    this.#engines.set(size, engine);
    return engine;
  }
}

function expectFinite({ loss, gradNorm, regularizedNorm }: Omit<CoreStep, 'outputs'>): void {
  if (Number.isFinite(loss) && Number.isFinite(regularizedNorm)) return;
  const what = Number.isFinite(loss)
    ? `the gradient's norm ${Number.isFinite(gradNorm) ? regularizedNorm : gradNorm}`
    : `the loss ${loss}`;
  throw new DivergedError(
    `runTrainStep: ${what} is not finite, and nothing was changed; load an earlier checkpoint with a lower learning rate or a clip, or look for numbers in the feeds that are not finite`,
  );
}
