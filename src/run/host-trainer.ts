/** Steps on the host: sessions for the derivatives, fused loops over the arrays in between. Also for browsers. */
import type { GraphName } from '../artifacts/graphs.ts';
import type { Manifest } from '../artifacts/manifest.ts';
import { expectAt } from '../expect.ts';
import type { Session } from '../runtime/session.ts';
import { type Arrays, type HostPlan, planStep } from '../step/host.ts';
import { slotsOf, traceStep, type Use } from '../step/program.ts';
import { exact } from '../step/regularizers/exact.ts';
import { createEngine } from './engine.ts';
import {
  expectFinite,
  ratesAt,
  type StepPlan,
  type StepTold,
  startCopies,
  stepNumbers,
  type Trainer,
  type UpdateArrays,
  useOf,
} from './trainer.ts';
import { VariableArrays } from './variables.ts';

export interface HostTrainerOptions {
  readonly manifest: Manifest;
  readonly plan: StepPlan;
  /** Examples of a step, a multiple of the manifest's micro-batch. */
  readonly batchSize: number;
  /** Of the masks. */
  readonly seed: number;
  /** Loads one of the graphs; called when it is first needed. */
  readonly load: (graph: GraphName) => Promise<Session>;
}

export function createHostTrainer({ manifest, plan, batchSize, seed, load }: HostTrainerOptions): Trainer {
  const plans = new Map<string, HostPlan>();
  /** Exact GR is one graph's work where that sees the whole batch: 9 units of work, and 12 in two phases. */
  const isWhole =
    plan.regularizer === exact && manifest.microBatch === batchSize && plan.weightDecayIn !== 'loss';
  const { rule, weightDecayIn = 'update' } = plan;
  const planOf = (use: Use, observed: boolean): HostPlan => {
    const key = `${use} ${observed}`;
    const { regularizer, groups = 1 } = plan;
    const made =
      plans.get(key) ??
      planStep(traceStep({ regularizer, rule, use, weightDecayIn, observed, whole: isWhole, groups }));
    plans.set(key, made);
    return made;
  };
  const uses: readonly Use[] = ['none', 'full', ...(plan.regularizer.reuse ? (['kept'] as const) : [])];
  const scratch = Math.max(...uses.map((use) => planOf(use, false).scratch));
  const names = slotsOf(plan);
  const variables = new VariableArrays(manifest, names.length + scratch);
  const slots = Object.fromEntries(names.map((slot) => [slot, variables.allocate()]));
  const state = { theta: variables.theta, ...slots };
  const engine = createEngine({ manifest, variables, seed, load });
  let wasActive = false;
  let regularized: Arrays = [];
  const arraysOf = (k: number, count: number): UpdateArrays => ({
    param: expectAt(variables.theta, k),
    grad: expectAt(regularized, k),
    slots: Object.fromEntries(Object.entries(slots).map(([name, arrays]) => [name, expectAt(arrays, k)])),
    count,
  });

  return {
    variables,
    rule: plan.rule,
    slots,
    async step(step, batch, gauge) {
      const strength = plan.strength(step);
      const { active, scalars } = strength;
      // Warmup is over: its graph's memory is better used.
      if (active && !wasActive && isWhole) await engine.free(['loss-grad']);
      wasActive = active;
      startCopies(plan.rule, step, variables.theta, slots);
      const about = { step, groups: plan.groups ?? 1, ...(plan.scalars && { scalars: plan.scalars }) };
      const pass = await engine.pass(batch, about);
      let told: StepTold | undefined;
      await planOf(useOf(strength), gauge !== undefined).run({
        derivatives: pass.derivatives,
        state,
        scratch: (index) => variables.scratch(index),
        scalars: {
          uniform: { ...scalars, ...stepNumbers(plan, step) },
          grouped: ratesAt(variables.parameters, plan, step),
        },
        beforeUpdate({ product, ...norms }, gradients = []) {
          const { loss, sums } = pass.result();
          told = { loss, sums, ...norms };
          expectFinite(step, batch, told, plan.remedies);
          gauge?.gradient({ product, ...norms });
          regularized = gradients;
        },
        ...(gauge && {
          aroundUpdate: (k: number, apply: () => void) => gauge.update(k, arraysOf(k, step + 1), apply),
        }),
      });
      for (const [path, values] of Object.entries(pass.result().state)) variables.array(path).set(values);
      if (!told) throw new Error('internal: a step that told nothing');
      return told;
    },
    async hessianTimes(batch, vector) {
      const pass = await engine.pass(batch, { step: 0, ...(plan.scalars && { scalars: plan.scalars }) });
      return pass.derivatives.hessianTimes(vector);
    },
    async freeHessian() {
      // Exact GR in two phases uses its graph, too.
      if (plan.regularizer !== exact || isWhole) await engine.free(['hvp']);
    },
    pull: async () => {},
    release: () => engine.release(),
  };
}
