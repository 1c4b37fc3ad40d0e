import { configFor } from '../../../src/config/config.ts';
import { OLD_METRICS } from '../../../src/metrics/info.ts';
import { Random } from '../../../src/random.ts';
import type { DiagnosticsLine } from '../../../src/storage/diagnostics-log.node.ts';
import { type MetricsLine, metricsLine } from '../../../src/storage/metrics.ts';
import type { Axis } from '../../../src/study/design.ts';
import type { CellResult, StudyResults } from '../../../src/study/results.node.ts';
import { groupRecord, stepRecord } from '../../run/diagnostics/_records.ts';
import { testRecord, trainRecord } from '../../storage/_records.ts';

/** The properties of a made-up run that a test may choose. */
export interface Made {
  readonly model?: string;
  readonly fraction?: number;
  readonly optimizer?: 'adamw' | 'sgd';
  readonly hasWarmup?: boolean;
  readonly gr?: 'none' | 'fd' | 'exact';
  readonly grWarmup?: 'none' | 'lambda' | 'r' | 'zero';
  readonly r?: number;
  readonly seed?: number;
  /** Final test error in percent. */
  readonly error?: number;
  readonly state?: CellResult['state'];
  readonly message?: string | null;
  /** Optimizer steps; 0 takes none, so that there are no metrics. */
  readonly steps?: number;
  /** Standard deviation of the logarithm of the gradient's norm in the early steps. */
  readonly restlessness?: number;
  /** 0 for a run without diagnostics. */
  readonly diagnosticsEvery?: number;
}

/** A run with metrics and diagnostics that look like one. */
export function madeCell(made: Made = {}): CellResult {
  const { model = 'vit-micro', fraction = 1, optimizer = 'adamw', hasWarmup = true, gr = 'none' } = made;
  const { grWarmup = 'none', r = 0.1, seed = 0, error = 30, steps = 200, state = 'done' } = made;
  const warmupSteps = hasWarmup ? Math.round(steps / 8) : 0;
  const config = configFor({
    graph: `${model}-cifar10`,
    trainFraction: fraction,
    optimizer,
    warmupEpochs: hasWarmup ? 1 : 0,
    epochs: 8,
    seed,
    gr,
    ...(gr === 'none' ? {} : { grWarmup }),
    ...(gr === 'fd' ? { r, alpha: 1 } : {}),
  });
  const id = [model, fraction, optimizer, hasWarmup ? 'warm' : 'cold', gr, grWarmup, r, seed].join('-');
  return {
    id,
    config,
    values: {
      model,
      images: String(fraction),
      optimizer,
      lrWarmup: hasWarmup ? 'on' : 'off',
      gr: [...(gr === 'none' ? ['none'] : ['GR']), ...(grWarmup === 'none' ? [] : [grWarmup])].join(' + '),
      seed: String(seed),
    },
    dataset: 'cifar10',
    model,
    architecture: model.split('-')[0] ?? model,
    trainExamples: steps === 0 ? null : Math.round(50_000 * fraction),
    state,
    message: made.message ?? null,
    warmupSteps: steps === 0 ? null : warmupSteps,
    totalSteps: steps === 0 ? null : steps,
    infos: state === 'done' ? OLD_METRICS : null,
    metrics: metrics({ ...made, steps, error }, id, warmupSteps),
    diagnostics: diagnostics({ ...made, steps }, id, warmupSteps),
  };
}

function metrics(
  { gr = 'none', steps = 0, error = 30, restlessness = 0.1, grWarmup = 'none' }: Made,
  id: string,
  warmupSteps: number,
): MetricsLine[] {
  const random = new Random(1, 'sample', hash(id));
  return Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricsLine[] => {
    const done = step / steps;
    const isOn = gr !== 'none' && !(grWarmup === 'zero' && step <= warmupSteps);
    const noise = Math.exp(restlessness * random.normal());
    const norm = (1 + 2 * Math.exp(-8 * done)) * noise;
    const train = trainRecord(step, {
      loss: (0.4 + error / 40 + 1.5 * Math.exp(-4 * done)) * Math.exp(0.05 * random.normal()),
      grad_norm: norm,
      gr_grad_norm: gr === 'none' ? null : isOn ? norm * 1.3 : norm,
      lr: 1e-3 * Math.min(1, step / Math.max(1, warmupSteps)),
      spike: noise > Math.exp(0.6) ? noise : null,
    });
    if (step % Math.ceil(steps / 16) !== 0 && step !== steps) return [train];
    const now = error + (85 - error) * Math.exp(-5 * done) * (1 - done) + 0.2 * random.normal() * (1 - done);
    return [train, metricsLine(testRecord(step, { metrics: { top1: 1 - now / 100 } }))];
  });
}

function diagnostics(
  {
    gr = 'none',
    optimizer = 'adamw',
    steps = 0,
    restlessness = 0.1,
    grWarmup = 'none',
    diagnosticsEvery = 5,
  }: Made,
  id: string,
  warmupSteps: number,
): DiagnosticsLine[] {
  const random = new Random(2, 'sample', hash(id));
  const count = diagnosticsEvery === 0 ? 0 : Math.floor(steps / diagnosticsEvery);
  return Array.from({ length: count }, (_, i) => {
    const step = (i + 1) * diagnosticsEvery;
    const isOn = gr !== 'none' && !(grWarmup === 'zero' && step <= warmupSteps);
    const jitter = Math.exp(0.1 * random.normal());
    const adaptive = optimizer === 'adamw';
    return stepRecord(step, {
      gr_angle: gr === 'none' ? null : isOn ? 20 * jitter : 0,
      all: groupRecord({
        parameters: id.startsWith('vit-ti') ? 5_360_000 : 120_000,
        adaptive_rate_log_variance: adaptive ? (1 + 5 * restlessness) * jitter * (1 + 20 / step) : null,
        step_size: adaptive ? 0.01 * Math.min(1, step / Math.max(1, warmupSteps)) * jitter : null,
        update_ratio: 0.002 * jitter,
      }),
    });
  });
}

function hash(text: string): number {
  return [...text].reduce((sum, character) => (31 * sum + character.charCodeAt(0)) >>> 0, 7);
}

/** The axes of made-up runs, and the options that each sets. */
const AXES: Readonly<Record<string, readonly string[]>> = {
  model: ['graph'],
  images: ['trainFraction'],
  optimizer: ['optimizer'],
  lrWarmup: ['warmupEpochs'],
  gr: ['gr', 'grWarmup', 'r', 'alpha'],
  seed: ['seed'],
};

export function studyOf(cells: readonly CellResult[]): StudyResults {
  return {
    name: 'made-up',
    about: 'Runs that never were.',
    command: 'npm run study',
    axes: [],
    compare: [],
    cells,
  };
}

/** The same with the axes that its runs have values on. */
export function withAxes(study: StudyResults): StudyResults {
  const axes = Object.entries(AXES).map(([name, options]): Axis => {
    const values = [...new Set(study.cells.flatMap((cell) => cell.values[name] ?? []))];
    return { name, options, values, hasNames: false };
  });
  return { ...study, axes };
}

export const SEEDS = [0, 1, 2];

/** A small whole study: two models, two fractions, both optimizers, with and without warmup. */
export function wholeStudy({ steps = 120 } = {}): StudyResults {
  const conditions = [
    { gr: 'none', grWarmup: 'none', shift: 0 },
    { gr: 'fd', grWarmup: 'none', shift: 1.5 },
    { gr: 'fd', grWarmup: 'lambda', shift: -0.5 },
    { gr: 'fd', grWarmup: 'r', shift: -0.8 },
    { gr: 'fd', grWarmup: 'zero', shift: -1.2 },
  ] as const;
  const settings = [
    { hasWarmup: true },
    { hasWarmup: false },
    { optimizer: 'sgd', hasWarmup: true },
    { fraction: 0.2, hasWarmup: true },
    { model: 'vit-ti', hasWarmup: true },
  ] as const satisfies readonly Made[];
  const cells = settings.flatMap((setting, at) =>
    conditions
      .filter(({ grWarmup }) => grWarmup === 'none' || setting.hasWarmup)
      .flatMap(({ gr, grWarmup, shift }) =>
        SEEDS.map((seed) => {
          const adaptive = !('optimizer' in setting) && setting.hasWarmup;
          const noise = 0.2 * new Random(seed, 'sample', hash(`${at} ${gr} ${grWarmup}`)).normal();
          return madeCell({
            ...setting,
            gr,
            grWarmup,
            seed,
            steps,
            error: 30 + 4 * at + shift * (adaptive ? 1 : 0.1) + 0.5 * seed + noise,
            restlessness: gr !== 'none' && grWarmup === 'none' ? 0.3 : 0.1,
          });
        }),
      ),
  );
  return withAxes(studyOf(cells));
}
