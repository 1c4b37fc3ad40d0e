/**
 * `optimizerModel`: an update rule as one ONNX graph over flat vectors (step/flat.ts), which says what a step of the
 * optimizer is. A session takes the step by the same formula on the host (step/host.ts).
 *
 * | inputs | outputs |
 * |--------|---------|
 * | theta, gradient, the rule's slots: float32 [n]; learningRate, weightDecay, clip, the rule's scalars: float32 [] | theta_next, <slot>_next |
 */
import { type ParameterRates, stepInputs } from '../artifacts/graphs.ts';
import type { Variable } from '../layers/scope.ts';
import type { Graph } from '../onnx/graph.ts';
import { input } from '../onnx/ops.ts';
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
  const program = traceStep({ regularizer: none, rule, weightDecayIn });
  const { layout, state, given, grouped } = stepInputs(program, parameters, rates);
  const gradient = input('gradient', [layout.length]);
  const { next, scalars } = graphStep(program, {
    ...{ layout, state, grouped },
    parameters: parameters.map(({ value }) => value),
    gradient: layout.split(gradient),
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
