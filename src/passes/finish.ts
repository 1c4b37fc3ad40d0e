/**
 * The passes that every graph goes through: the one place that says which run, and in which order. Some run before
 * differentiation, so that the cheaper graph is differentiated. The others run on the graph that is to be written.
 */
import { expectOneOf } from '../expect.ts';
import { expectInputs, type Graph, inlineCalls, mapOutputs } from '../onnx/graph.ts';
import type { Value } from '../onnx/value.ts';
import { foldBiasIntoLinear } from './bias-into-linear.ts';
import { mergeCommonSubexpressions } from './common-subexpressions.ts';
import { multiplyEarlyFactorsFirst } from './early-factors.ts';
import { orderExecution } from './execution-order.ts';
import { lookUpLast } from './lookup-last.ts';
import { lookUpInPieces } from './lookup-pieces.ts';
import { peakBytes } from './memory.ts';
import { multiplyNarrowFactorsFirst } from './narrow-factors.ts';
import { foldNormIntoLinear } from './norm-into-linear.ts';
import { toPortable } from './portable.ts';
import { recompute } from './recompute.ts';
import { foldScalarsIntoProducts } from './scalars-into-products.ts';
import { foldScaleIntoLinear } from './scale-into-linear.ts';
import { mergeSharedInputs } from './shared-input.ts';
import { pushSlicesUp } from './slice-up.ts';
import { sumAtOnce } from './sums.ts';
import { foldSumsIntoProducts } from './sums-into-products.ts';
import { foldSumsIntoScatters } from './sums-into-scatters.ts';
import { transposeProducts } from './transposed-products.ts';

export const TARGETS = ['cpu', 'webgpu'] as const;
/** `cpu` may use ONNX Runtime's own operators (also on CUDA and in wasm); `webgpu` standard ONNX only. */
export type Target = (typeof TARGETS)[number];

type Pass = (outputs: readonly Value[]) => Value[];

const BEFORE = {
  'bias-into-linear': foldBiasIntoLinear,
  'slice-up': pushSlicesUp,
  'shared-input': mergeSharedInputs,
  'norm-into-linear': foldNormIntoLinear,
  'lookup-last': lookUpLast,
  'scale-into-linear': foldScaleIntoLinear,
} satisfies Record<string, Pass>;

/** Equal expressions are merged first, to show the other passes what is shared, and last, since these make new ones. */
const AFTER = {
  'common-subexpressions': mergeCommonSubexpressions,
  'narrow-factors': multiplyNarrowFactorsFirst,
  'early-factors': multiplyEarlyFactorsFirst,
  'scalars-into-products': foldScalarsIntoProducts,
  'lookup-pieces': lookUpInPieces,
  sums: (outputs) => mergeCommonSubexpressions(sumAtOnce(outputs)),
  'transposed-products': (outputs) => mergeCommonSubexpressions(transposeProducts(outputs)),
  'sums-into-products': foldSumsIntoProducts,
  'sums-into-scatters': foldSumsIntoScatters,
} satisfies Record<string, Pass>;

export const PASS_NAMES = [...names(BEFORE), ...names(AFTER), 'execution-order', 'recompute'] as const;
export type PassName = (typeof PASS_NAMES)[number];

/**
 * Rewrites a forward graph before it is differentiated. The results equal `outputs`, in that order, and are made of
 * operations whose derivatives are cheaper. Pass all outputs together: a value that another output needs is not
 * rewritten away. Throws UserError for a name in `without` that is no pass.
 */
export function prepare(outputs: readonly Value[], without: readonly PassName[] = []): Value[] {
  for (const name of without) expectOneOf('prepare: without', name, PASS_NAMES);
  return applied(BEFORE, outputs, without);
}

/** What a graph is to be written for, and which passes are left out. */
export interface FinishOptions {
  readonly target: Target;
  readonly without?: readonly PassName[];
  /** Outputs by name. After these are computed, cheap values are computed again, not kept; by default all are kept. */
  readonly recomputeAfter?: readonly string[];
}

/**
 * Makes a graph ready to be written for a target: composites become ops, and the passes that come after
 * differentiation run. Throws UserError where an output needs an input that `graph.inputs` leaves out, and for an
 * unknown target, pass or output.
 */
export function finish(graph: Graph, { target, without = [], recomputeAfter = [] }: FinishOptions): Graph {
  expectOneOf('finish: target', target, TARGETS);
  for (const name of without) expectOneOf('finish: without', name, PASS_NAMES);
  for (const name of recomputeAfter) expectOneOf('finish: recomputeAfter', name, Object.keys(graph.outputs));
  expectInputs('finish', graph);
  const flat = mapOutputs(graph, (outputs) => applied(AFTER, inlineCalls(outputs), without));
  if (target !== 'cpu') return mapOutputs(flat, toPortable);
  const order = (each: Graph): Graph => (without.includes('execution-order') ? each : orderExecution(each));
  const ordered = order(flat);
  const early = recomputeAfter.flatMap((name) => flat.outputs[name] ?? []);
  if (early.length === 0 || without.includes('recompute')) return ordered;
  const recomputed = order(mapOutputs(flat, (outputs) => recompute(outputs, early)));
  return peakBytes(recomputed) < peakBytes(ordered) ? recomputed : ordered;
}

function names<Name extends string>(passes: Readonly<Record<Name, Pass>>): Name[] {
  const found: Name[] = [];
  for (const name in passes) found.push(name);
  return found;
}

function applied(
  passes: Readonly<Record<string, Pass>>,
  outputs: readonly Value[],
  without: readonly string[],
): Value[] {
  return Object.entries(passes).reduce(
    (values, [name, pass]) => (without.includes(name) ? values : pass(values)),
    [...outputs],
  );
}
