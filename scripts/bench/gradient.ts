/** What a step would go along, in arrays, with nothing updated. Also for browsers. */
import type { Batch } from '../../src/data/batch.ts';
import type { Engine, PassResult } from '../../src/run/engine.ts';
import type { VariableArrays } from '../../src/run/variables.ts';
import { type Arrays, planStep, type Reports } from '../../src/step/host.ts';
import { type Regularizer, traceGradient } from '../../src/step/program.ts';

export interface GradientOf {
  readonly engine: Engine;
  readonly variables: VariableArrays;
  readonly regularizer: Regularizer;
  /** Of the regularizer, by name. */
  readonly strengths?: Readonly<Record<string, number>>;
  /** Whether one graph gives it as a whole. */
  readonly whole?: boolean;
  /** Whether its product with the clean gradient is wanted. */
  readonly observed?: boolean;
  /** Of the task, by name. */
  readonly scalars?: Readonly<Record<string, number>>;
}

export interface GradientResult extends PassResult, Reports {
  /** Of each parameter, in the manifest's order, until the next gradient is taken. */
  readonly gradients: Arrays;
}

/** How many vectors a gradient keeps beside the parameters: `sets` of its `VariableArrays`. */
export function scratchOf(regularizer: Regularizer): number {
  return planStep(traceGradient({ regularizer })).scratch;
}

/** A function from a batch to its regularized gradient. Its loops are compiled once. */
export function gradientOf({
  engine,
  variables,
  regularizer,
  strengths = {},
  whole = false,
  observed = false,
  scalars = {},
}: GradientOf): (batch: Batch) => Promise<GradientResult> {
  const plan = planStep(traceGradient({ regularizer, whole, observed }));
  return async (batch) => {
    const pass = await engine.pass(batch, { step: 0, scalars });
    let gradients: Arrays = [];
    const reports = await plan.run({
      derivatives: pass.derivatives,
      state: { theta: variables.theta },
      scratch: (index) => variables.scratch(index),
      scalars: { uniform: strengths, grouped: {} },
      beforeUpdate: (_reports, regularized = []) => {
        gradients = regularized;
      },
    });
    return { ...pass.result(), ...reports, gradients };
  };
}
