/** Groups of a batch that are perturbed by themselves: the mean of what each would be stepped along alone. */
import test from 'ava';
import { cutFields } from '../../src/data/batch.ts';
import { expectAt } from '../../src/expect.ts';
import type { StepPlan } from '../../src/run/trainer.ts';
import type { Regularizer } from '../../src/step/program.ts';
import { asam } from '../../src/step/regularizers/asam.ts';
import { finiteDifference, normalizedDifference } from '../../src/step/regularizers/finite-difference.ts';
import { gsam } from '../../src/step/regularizers/gsam.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { batchOf, floats, perceptron, running } from './_tasks.ts';
import { difference, onHost, type Trained, type Training } from './_train.ts';

const BATCH = 8;
const task = perceptron;
const batch = batchOf(task, BATCH, 0);
const planOf = (regularizer: Regularizer, more: Partial<StepPlan> = {}): Partial<StepPlan> => ({
  ...{ regularizer, rule: sgd({ momentum: 0 }), clip: 0, weightDecay: 0.1, ...more },
  strength: () => ({ active: true, scalars: { r: 0.1, alpha: 0.6 } }),
});
const step = (plan: Partial<StepPlan>, microBatch: number, more: Partial<Training> = {}): Promise<Trained> =>
  onHost({ task, kind: 'fd', batchSize: BATCH, microBatch, steps: 1, data: () => batch, plan, ...more });
const flatOf = ({ variables }: Trained): number[] => Object.values(variables).flatMap((each) => [...each]);

for (const regularizer of [finiteDifference, normalizedDifference, asam, gsam]) {
  for (const weightDecayIn of ['update', 'loss'] as const) {
    test(`${regularizer.name}, decay in the ${weightDecayIn}: a step is the mean of its groups' steps`, async (t) => {
      const plan = planOf(regularizer, { weightDecayIn });
      const alone = await Promise.all(
        [0, 1].map((k) => {
          const fields = cutFields(batch.fields, task.fields, 4 * k, 4 * (k + 1));
          const part = { ...batch, fields, examples: 4 };
          return step(plan, 4, { batchSize: 4, data: () => part });
        }),
      );
      const [first = [], second = []] = alone.map(flatOf);
      const wanted = first.map((x, i) => (x + (second[i] ?? Number.NaN)) / 2);
      const [whole, grouped] = [await step(plan, 4), await step({ ...plan, groups: 2 }, 4)];
      flatOf(grouped).forEach((x, i) => {
        t.true(Math.abs(x - (wanted[i] ?? 0)) < 1e-7, `${i}: ${x}, not ${wanted[i]}`);
      });
      t.true(Math.max(...flatOf(whole).map((x, i) => Math.abs(x - (wanted[i] ?? 0)))) > 1e-6);
      // What is told of the clean batch is the same: its loss, its gradient's norm, its metrics.
      const [told, other] = [expectAt(grouped.told, 0), expectAt(whole.told, 0)];
      t.true(Math.abs(told.loss - other.loss) < 1e-7);
      t.true(Math.abs(told.gradNorm - other.gradNorm) < 1e-6);
      t.deepEqual(told.sums, other.sums);
    });
  }
}

test('groups give the same however they are cut, over several steps; one group is the whole', async (t) => {
  const training = { steps: 3, data: (at: number) => batchOf(task, BATCH, at) };
  const plan = planOf(finiteDifference, { groups: 2 });
  t.true(difference(await step(plan, 2, training), await step(plan, 4, training)) < 1e-6);
  const one = await step(planOf(finiteDifference, { groups: 1 }), 4, training);
  t.deepEqual(one.variables, (await step(planOf(finiteDifference), 4, training)).variables);
});

test('each group begins with the step’s state, and leaves its own; the mean of these is kept', async (t) => {
  const training = { task: running, steps: 3, data: (at: number) => batchOf(running, BATCH, at) };
  const plan = planOf(finiteDifference, { groups: 2 });
  // A group of two micro-batches moves its state twice, a group of one micro-batch once. While warmup leaves the
  // regularizer out, groups stay groups.
  for (const { microBatch, active } of [
    { microBatch: 2, active: true },
    { microBatch: 4, active: true },
    { microBatch: 4, active: false },
  ]) {
    let mean = new Float64Array(5);
    for (let at = 0; at < 3; at++) {
      const x = floats(batchOf(running, BATCH, at).fields.x);
      const left = [0, 4].map((first) => {
        let own = mean;
        for (let part = first; part < first + 4; part += microBatch) {
          own = own.map((old, i) => {
            const rows = Array.from({ length: microBatch }, (_, k) => x[(part + k) * 5 + i] ?? Number.NaN);
            return 0.9 * old + (0.1 * rows.reduce((sum, value) => sum + value, 0)) / microBatch;
          });
        }
        return own;
      });
      mean = mean.map((_, i) => left.reduce((sum, own) => sum + (own[i] ?? Number.NaN), 0) / 2);
    }
    const strength = () => ({ active, scalars: { r: 0.1, alpha: 0.6 } });
    const { variables } = await step({ ...plan, strength }, microBatch, training);
    mean.forEach((wanted, i) => {
      const got = variables.mean?.[i] ?? Number.NaN;
      t.true(Math.abs(got - wanted) < 1e-7, `micro-batch ${microBatch}: ${got}, not ${wanted}`);
    });
  }
});
