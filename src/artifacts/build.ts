/**
 * Spec → the four graphs that training and evaluation run. Their inputs and outputs are the contract between the
 * graphs and the trainer, which knows nothing of models:
 *
 * | graph     | inputs beside the parameters                              | outputs |
 * |-----------|-----------------------------------------------------------|---------|
 * | loss-grad | images, labels, label_smoothing                           | loss, grad_norm, logits, grad/<path> |
 * | gr-exact  | images, labels, label_smoothing, lambda                   | the same (grad/<path> of L + λ‖∇L‖), gr_grad_norm |
 * | hvp       | images, labels, label_smoothing, vector/<path>            | hvp/<path>: the Hessian of L times the vector |
 * | infer     | images, any number of them                                | logits |
 *
 * images: float32 [batch, channels, height, width], normalised; labels: int32 [batch]; the rest float32. The loss is
 * the mean over the batch. Every parameter is an input named by its path.
 */
import { grad, hvp } from '../autodiff/grad.ts';
import { buildModel } from '../models/index.ts';
import { type Parameter, Scope } from '../models/scope.ts';
import { crossEntropy } from '../objective/cross-entropy.ts';
import { globalNorm, penalizedGradient } from '../objective/gradient-norm.ts';
import type { Graph } from '../onnx/graph.ts';
import { input } from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { finish } from '../passes/finish.ts';
import type { Spec } from './spec.ts';

export const GRAPH_NAMES = ['loss-grad', 'gr-exact', 'hvp', 'infer'] as const;
export type GraphName = (typeof GRAPH_NAMES)[number];

export interface BuiltGraphs {
  readonly parameters: readonly Parameter[];
  readonly graphs: Readonly<Record<GraphName, Graph>>;
}

/** Writes the graphs of a spec; training graphs hold `batch` images. */
export function buildGraphs(spec: Spec, batch: number): BuiltGraphs {
  const { target } = spec;
  const { parameters, parts, loss, logits } = buildLoss(spec, batch);
  const values = parameters.map(({ value }) => value);
  const gradient = grad(loss, values);
  const norm = globalNorm(gradient);
  const lambda = input('lambda', []);
  const regularized = penalizedGradient(gradient, values, norm, lambda);
  const vector = parameters.map(({ path, shape }) => input(`vector/${path}`, shape));
  const named = (prefix: string, of: readonly Value[]): Record<string, Value> =>
    Object.fromEntries(parameters.map(({ path }, i) => [`${prefix}/${path}`, at(of, i)]));
  return {
    parameters,
    graphs: {
      'loss-grad': finish(
        {
          name: 'loss-grad',
          inputs: [...parts, ...values],
          outputs: { loss, grad_norm: norm, logits, ...named('grad', gradient) },
        },
        target,
      ),
      'gr-exact': finish(
        {
          name: 'gr-exact',
          inputs: [...parts, lambda, ...values],
          outputs: {
            loss,
            grad_norm: norm,
            gr_grad_norm: globalNorm(regularized),
            logits,
            ...named('grad', regularized),
          },
        },
        target,
      ),
      hvp: finish(
        {
          name: 'hvp',
          inputs: [...parts, ...values, ...vector],
          outputs: named('hvp', hvp(gradient, values, vector)),
        },
        target,
      ),
      infer: buildInference(spec),
    },
  };
}

function buildLoss(spec: Spec, batch: number) {
  const { channels, height, width } = spec.image;
  const images = input('images', [batch, channels, height, width]);
  const labels = input('labels', [batch], 'int32');
  const smoothing = input('label_smoothing', []);
  const scope = new Scope();
  const logits = buildModel(scope, images, spec.classes, spec.model);
  const loss = crossEntropy(logits, labels, smoothing);
  return { parameters: scope.parameters, parts: [images, labels, smoothing], loss, logits };
}

/** The forward pass for any number of images, in standard ONNX so that it runs wherever ONNX does. */
export function buildInference(spec: Spec): Graph {
  const { channels, height, width } = spec.image;
  const images = input('images', ['batch', channels, height, width]);
  const scope = new Scope();
  const logits = buildModel(scope, images, spec.classes, spec.model);
  const inputs = [images, ...scope.parameters.map(({ value }) => value)];
  return finish({ name: 'infer', inputs, outputs: { logits } }, 'webgpu');
}

function at(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (!value) throw new Error(`internal: no value ${index}`);
  return value;
}
