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
import { batchOf, perceptron } from './_tasks.ts';
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
