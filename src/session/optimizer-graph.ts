/**
 * `optimizerModel`: an update rule as one ONNX graph over flat vectors (step/flat.ts), which says what a step of the
 * optimizer is. A session takes the step by the same formula on the host (step/host.ts).
 *
 * | inputs | outputs |
 * |--------|---------|
 * | theta, gradient, the rule's slots: float32 [n]; learningRate, weightDecay, clip, the rule's scalars: float32 [] | theta_next, <slot>_next |
 */
import { groupRates, type ParameterRates } from '../artifacts/graphs.ts';
import type { Variable } from '../layers/scope.ts';
import type { Graph } from '../onnx/graph.ts';
import { input, mul } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { finish, type Target } from '../passes/finish.ts';
import { graphStep } from '../step/graph.ts';
import { type DecayPlace, traceStep, type UpdateRule } from '../step/program.ts';
import { none } from '../step/regularizers/none.ts';

export interface OptimizerGraphOptions {
  readonly parameters: readonly Variable[];
  readonly rates: (parameter: Variable) => ParameterRates;
  readonly rule: UpdateRule;
  readonly weightDecayIn: DecayPlace;
  readonly target: Target;
}

export function optimizerGraph({
  parameters,
  rates,
  rule,
  weightDecayIn,
  target,
}: OptimizerGraphOptions): Graph {
  const { layout, groups } = groupRates(parameters, rates);
  const program = traceStep({ regularizer: none, rule, weightDecayIn });
  const vector = (name: string): Value => input(name, [layout.length]);
  const state = Object.fromEntries(Object.keys(program.next).map((slot) => [slot, vector(slot)]));
  const gradient = vector('gradient');
  const given = { learningRate: input('learningRate', []), weightDecay: input('weightDecay', []) };
  const scaled = (rate: keyof ParameterRates): (Value | undefined)[] =>
    groups.map((factors) => (factors[rate] === 0 ? undefined : mul(given[rate], factors[rate])));
  const { next, scalars } = graphStep(program, {
    ...{ layout, state },
    parameters: parameters.map(({ value }) => value),
    gradient: layout.split(gradient),
    grouped: { learningRate: scaled('learningRate'), weightDecay: scaled('weightDecay') },
  });
  return finish(
    {
      name: 'optimizer',
      inputs: [...Object.values(state), gradient, ...Object.values(given), ...scalars.values()],
      outputs: Object.fromEntries(Object.entries(next).map(([slot, value]) => [`${slot}_next`, value])),
    },
    { target },
  );
}
