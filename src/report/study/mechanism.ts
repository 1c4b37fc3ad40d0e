/**
 * What happens in the early steps, in numbers: the gradient, the second moment ν and the rate that Adam makes of it, and
 * the size of the updates. The paper says that with GR the early gradient misleads ν, and so the rate of every step
 * after; these tables tell whether it does here.
 */
import type { StepLine } from '../../storage/diagnostics-log.node.ts';
import type { CellResult } from '../../study/results.node.ts';
import type { Facets } from './facets.ts';
import { bySeed, finalError, type Measure, minus, overSeeds } from './measures.ts';
import { type Arm, type Setting, settingName } from './settings.ts';
import { type Interval, pairedInterval, spread } from './statistics.ts';
import type { Column, Table } from './table.ts';
import { digitsOf } from './tables.ts';

/** How a quantity of one run's early steps is taken: `geometric` means are of what spans orders of magnitude. */
interface Quantity {
  readonly name: string;
  readonly mean: 'geometric' | 'arithmetic';
  /** The quantity of each of the early steps that have it. */
  readonly values: (cell: CellResult, end: number) => readonly (number | null)[];
}

/** Without regularization it is the clean gradient. */
const OPTIMIZERS = '‖g‖ of the optimizer';

const QUANTITIES: readonly Quantity[] = [
  { name: '‖g‖, clean', mean: 'geometric', values: ofGradients((line) => line.grad_norm) },
  {
    name: OPTIMIZERS,
    mean: 'geometric',
    values: ofGradients((line) => line.gr_grad_norm ?? line.grad_norm),
  },
  { name: 'angle (degrees)', mean: 'arithmetic', values: ofSteps((line) => line.gr_angle) },
  { name: 'ν, mean', mean: 'geometric', values: ofSteps(({ all }) => all.nu_mean) },
  {
    name: 'variance of log ψ',
    mean: 'arithmetic',
    values: ofSteps(({ all }) => all.adaptive_rate_log_variance),
  },
  { name: 'lr·ψ', mean: 'geometric', values: ofSteps(({ all }) => all.step_size) },
  { name: '‖Δθ‖/‖θ‖', mean: 'geometric', values: ofSteps(({ all }) => all.update_ratio) },
];

function ofGradients(
  measure: (line: {
    readonly grad_norm: number | null;
    readonly gr_grad_norm: number | null;
  }) => number | null,
): Quantity['values'] {
  return ({ metrics }, end) =>
    metrics.filter(({ split, step }) => split === 'train' && step <= end).map(measure);
}

function ofSteps(measure: (line: StepLine) => number | null): Quantity['values'] {
  return ({ diagnostics }, end) =>
    diagnostics.flatMap((line) => (line.kind === 'step' && line.step <= end ? [measure(line)] : []));
}

/**
 * The number of early steps of a run: its warmup. Without one, the longest warmup of the runs that take as many steps in
 * all, so that runs with and without warmup are told over the same steps; a tenth of the run where none has a warmup.
 * Null until the run is over.
 */
export function earlySteps({ cells }: Pick<Facets, 'cells'>): Measure {
  return ({ warmupSteps, totalSteps }) => {
    if (warmupSteps === null || totalSteps === null) return null;
    if (warmupSteps > 0) return warmupSteps;
    const alike = cells.filter((cell) => cell.totalSteps === totalSteps);
    return Math.max(0, ...alike.map((cell) => cell.warmupSteps ?? 0)) || Math.ceil(totalSteps / 10);
  };
}

/** The mean of the quantity over a run's early steps, or of its logarithm. Null where no step has it. */
function meanOf({ mean, values }: Quantity, endOf: Measure): Measure {
  const isGeometric = mean === 'geometric';
  return (cell) => {
    const end = endOf(cell);
    if (end === null) return null;
    const known = values(cell, end).flatMap((value) =>
      value === null || (isGeometric && value <= 0) ? [] : [isGeometric ? Math.log(value) : value],
    );
    const average = spread(known)?.mean;
    if (average === undefined) return null;
    return isGeometric ? Math.exp(average) : average;
  };
}

/** The quantities that any run has. */
function known(facets: Facets): readonly { readonly quantity: Quantity; readonly measure: Measure }[] {
  const endOf = earlySteps(facets);
  const isRegularized = facets.cells.some(({ config }) => config.gr !== 'none');
  return QUANTITIES.filter(({ name }) => isRegularized || name !== OPTIMIZERS)
    .map((quantity) => ({ quantity, measure: meanOf(quantity, endOf) }))
    .filter(({ measure }) => facets.cells.some((cell) => measure(cell) !== null));
}

/** Every quantity of every condition: mean ± standard deviation over seeds. */
export function mechanismTable(facets: Facets): Table {
  const columns = known(facets);
  return {
    name: 'mechanism',
    isGrouped: true,
    title:
      'The early steps: gradient, adaptive rate and update, each the mean over the warmup (or as many steps without one), then mean ± standard deviation over seeds',
    columns: [
      { name: 'setting', kind: 'text' },
      { name: 'condition', kind: 'text' },
      ...columns.map(({ quantity: { name } }): Column => ({ name, kind: 'spread', significant: 3 })),
    ],
    rows:
      columns.length === 0
        ? []
        : everyArm(facets).map(({ setting, arm }) => [
            settingName(setting),
            arm.condition.name,
            ...columns.map(({ measure }) => overSeeds(arm, measure)),
          ]),
  };
}

/** The quantities of every condition over those of its setting's first, as ratios with their 95 % intervals. */
export function mechanismRatios(facets: Facets): Table {
  const columns = known(facets).filter(({ quantity }) => quantity.name !== 'angle (degrees)');
  const rows = everyArm(facets).flatMap(({ setting, arm }) => {
    const [first] = setting.arms;
    return first === undefined || first === arm
      ? []
      : [
          [
            settingName(setting),
            `${arm.condition.name} / ${first.condition.name}`,
            ...columns.map(({ measure }) => ratio(arm, first, measure)),
          ],
        ];
  });
  return {
    name: 'mechanism-ratios',
    isGrouped: true,
    title:
      'The same as ratios, paired by seed: geometric mean over seeds, with its 95 % interval (not corrected for the number of ratios)',
    columns: [
      { name: 'setting', kind: 'text' },
      { name: 'condition', kind: 'text' },
      ...columns.map(({ quantity: { name } }): Column => ({ name, kind: 'ratio', significant: 3 })),
    ],
    rows: columns.length === 0 ? [] : rows,
  };
}

function ratio(arm: Arm, first: Arm, measure: Measure): Interval | null {
  const logarithm: Measure = (cell) => {
    const value = measure(cell);
    return value === null || value <= 0 ? null : Math.log(value);
  };
  const interval = pairedInterval(
    spread([...minus(bySeed(arm, logarithm), bySeed(first, logarithm)).values()]),
  );
  if (interval === null) return null;
  const { mean, low, high, n } = interval;
  return {
    mean: Math.exp(mean),
    low: low === null ? null : Math.exp(low),
    high: high === null ? null : Math.exp(high),
    n,
  };
}

/** Every run with its final number beside the quantities, those that diverged too: what is different where it fails? */
export function mechanismRuns(facets: Facets): Table {
  const columns = known(facets);
  const { judged, cells } = facets;
  const final = finalError(judged);
  return {
    name: 'mechanism-runs',
    title: 'The early steps of every run beside its result',
    columns: [
      { name: 'run', kind: 'text' },
      { name: 'state', kind: 'text' },
      { name: `final ${judged.axis}`, kind: 'number', digits: digitsOf(facets) },
      ...columns.map(({ quantity: { name } }): Column => ({ name, kind: 'number', significant: 3 })),
    ],
    rows:
      columns.length === 0
        ? []
        : cells.map((cell) => [
            cell.id,
            cell.state,
            final(cell),
            ...columns.map(({ measure }) => measure(cell)),
          ]),
  };
}

function everyArm({ settings }: Facets): { readonly setting: Setting; readonly arm: Arm }[] {
  return settings.flatMap((setting) => setting.arms.map((arm) => ({ setting, arm })));
}
