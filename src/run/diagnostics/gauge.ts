/** Measures what a step does to each group of parameters. Also for browsers. */
import type { ManifestVariable } from '../../artifacts/manifest.ts';
import type { TrainConfig } from '../../config/config.ts';
import { sizeOf } from '../../onnx/shapes.ts';
import { rectification } from '../../step/rules/radam.ts';
import { combine, sumOfSquares } from '../../step/vectors.ts';
import type { GroupRecord, StepRecord } from '../../storage/diagnostics.ts';
import type { TrainRecord } from '../../storage/metrics.ts';
import type { StepGauge } from '../trainer.ts';
import { groupIndices } from './groups.ts';
import { addSums, type MomentRule, type MomentSums, mean, momentSums, variance } from './second-moment.ts';

type Config = Pick<TrainConfig, 'optimizer' | 'beta2' | 'epsilon' | 'decay' | 'momentStart' | 'gr'>;

export interface Gauge extends StepGauge {
  /** The measurements, after the step. */
  record(taken: Omit<TrainRecord, 'examples_per_second' | 'spike'>): StepRecord;
}

/** Squared norms of one parameter, or of several together. */
interface ParameterSums {
  readonly parameters: number;
  readonly grad: number;
  readonly update: number;
  readonly weight: number;
  readonly moments: MomentSums | undefined;
}

/** Returns a function that makes a gauge for a step that is to be measured. */
export function createGauges(
  parameters: readonly Pick<ManifestVariable, 'path' | 'shape'>[],
  config: Config,
): () => Gauge {
  const groups = groupIndices(parameters.map(({ path }) => path));
  const rule = momentRule(config);
  const largest = Math.max(...parameters.map(({ shape }) => sizeOf(shape)));
  /** Holds a parameter's values from before its update. */
  const scratch = new Float32Array(largest);

  return () => {
    const seen: ParameterSums[] = [];
    let angle: number | null = null;
    let milliseconds = 0;

    return {
      gradient({ gradNorm, regularizedNorm, product }) {
        angle = angleBetween(gradNorm, regularizedNorm, product);
      },
      update(index, { param, grad, slots: { nu }, count }, apply) {
        const begin = performance.now();
        const before = scratch.subarray(0, param.length);
        before.set(param);
        const [weight, gradient] = [sumOfSquares(param), sumOfSquares(grad)];
        const pause = performance.now();
        apply();
        const end = performance.now();
        combine(before, 1, param, -1, before);
        seen[index] = {
          parameters: param.length,
          grad: gradient,
          update: sumOfSquares(before),
          weight,
          moments: rule && nu ? momentSums(nu, rule, count) : undefined,
        };
        milliseconds += pause - begin + (performance.now() - end);
      },
      record({ step, epoch, grad_norm, gr_grad_norm, lr }) {
        const of = (indices: readonly number[]) =>
          groupRecord(indices.flatMap((index) => seen[index] ?? []).reduce(together), lr);
        return {
          kind: 'step',
          step,
          epoch,
          grad_norm,
          gr_grad_norm,
          gr_angle: config.gr === 'none' ? null : angle,
          lr,
          ...(rule?.corrected ? rectification(rule.beta2, step) : { rho: null, rectification: null }),
          all: of([...seen.keys()]),
          groups: Object.fromEntries([...groups].map(([name, indices]) => [name, of(indices)])),
          seconds: milliseconds / 1000,
        };
      },
    };
  };
}

function momentRule({ optimizer, beta2, epsilon, decay, momentStart }: Config): MomentRule | undefined {
  if (optimizer === 'sgd' || optimizer === 'lion') return undefined;
  if (optimizer === 'rmsprop') return { beta2: decay, corrected: false, epsilon };
  const isAdam = optimizer === 'adam' || optimizer === 'adamw';
  const corrected = !isAdam || momentStart === 'corrected' || momentStart === 'second-corrected';
  return { beta2, corrected, epsilon };
}

/** In degrees. The inner product has seven digits, so an angle below a twentieth of a degree is noise. */
export function angleBetween(norm: number, other: number, dot: number): number {
  if (norm === 0 || other === 0) return 0;
  return (180 / Math.PI) * Math.acos(Math.min(1, Math.max(-1, dot / (norm * other))));
}

function together(a: ParameterSums, b: ParameterSums): ParameterSums {
  return {
    parameters: a.parameters + b.parameters,
    grad: a.grad + b.grad,
    update: a.update + b.update,
    weight: a.weight + b.weight,
    moments: a.moments &&
      b.moments && {
        nu: addSums(a.moments.nu, b.moments.nu),
        rate: addSums(a.moments.rate, b.moments.rate),
        logRate: addSums(a.moments.logRate, b.moments.logRate),
      },
  };
}

function groupRecord(
  { parameters, grad, update, weight, moments }: ParameterSums,
  learningRate: number,
): GroupRecord {
  return {
    parameters,
    grad_norm: Math.sqrt(grad),
    update_norm: Math.sqrt(update),
    weight_norm: Math.sqrt(weight),
    update_ratio: weight > 0 ? Math.sqrt(update / weight) : null,
    nu_mean: moments ? mean(moments.nu) : null,
    nu_std: moments ? Math.sqrt(variance(moments.nu)) : null,
    adaptive_rate_mean: moments ? mean(moments.rate) : null,
    adaptive_rate_variance: moments ? variance(moments.rate) : null,
    adaptive_rate_log_variance: moments ? variance(moments.logRate) : null,
    step_size: moments ? learningRate * Math.exp(mean(moments.logRate)) : null,
  };
}
