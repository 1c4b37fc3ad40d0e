/** What a study shows while it runs: the result of each cell that ends, and how much of the study is done. */
import pc from 'picocolors';
import { printable } from '../errors.ts';
import { errorOf, judgeOf, OLD_METRICS, shortNumber } from '../metrics/info.ts';
import type { MetricsLine } from '../storage/metrics.ts';
import { formatDuration } from '../terminal/duration.ts';
import { openLiveLine } from '../terminal/live-line.node.ts';
import type { CellOutcome } from './outcome.node.ts';
import type { PlannedCell } from './plan.node.ts';
import type { StudyObserver } from './runner.node.ts';

export interface StudyProgress extends StudyObserver {
  note(text: string): void;
  /** Seconds until all cells are over; NaN before anything is known. */
  left(): number;
  /** Restores the terminal; call it in a `finally`. */
  stop(): void;
}

export interface StudyProgressOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** All cells of the study. */
  readonly cells: readonly PlannedCell[];
  readonly jobs: number;
  /** The last measurement on the test set, of a cell that is over. */
  readonly result: (cell: PlannedCell) => MetricsLine | undefined;
  /** The clock, in milliseconds from any origin. */
  readonly now?: () => number;
}

/** Work that was done and the time it took. */
interface Tally {
  flops: number;
  milliseconds: number;
}

export function createStudyProgress({
  stream,
  cells: all,
  jobs,
  result,
  now = () => performance.now(),
}: StudyProgressOptions): StudyProgress {
  const live = stream.isTTY === true;
  const colors = pc.createColors(live && !process.env.NO_COLOR);
  const waiting = new Set<PlannedCell>();
  const running = new Map<PlannedCell, { since: number; from: number; step: number }>();
  const tallies = new Map<string, Tally>();
  const states: Record<CellOutcome['state'], number> = { done: 0, diverged: 0, failed: 0 };
  const over = (): number => states.done + states.diverged + states.failed;
  const count = all.length;
  const names = shortNames(all);
  const nameOf = (cell: PlannedCell): string => names.get(cell) ?? cell.id;
  const nameWidth = Math.max(...[...names.values()].map(({ length }) => length));
  const totalFlops = all.reduce((sum, { flops }) => sum + flops, 0);

  const tally = (key: string): Tally => {
    const known = tallies.get(key) ?? { flops: 0, milliseconds: 0 };
    tallies.set(key, known);
    return known;
  };

  const flopsOf = (cell: PlannedCell, steps: number): number => (cell.flops * steps) / cell.totalSteps;

  /** Milliseconds per operation. Each kind of cell has its own, since network and method change the speed. */
  function rateOf(key: string): number {
    const finished = [...tallies.values()];
    const now = [...running].map(([cell, at]) => [speedKey(cell), spent(cell, at)] as const);
    const rate = (tallies: readonly Tally[]): number =>
      tallies.reduce((sum, each) => sum + each.milliseconds, 0) /
      tallies.reduce((sum, each) => sum + each.flops, 0);
    const own = [tally(key), ...now.filter(([other]) => other === key).map(([, each]) => each)];
    return own.some(({ flops }) => flops > 0)
      ? rate(own)
      : rate([...finished, ...now.map(([, each]) => each)]);
  }

  function spent(
    cell: PlannedCell,
    { since, from, step }: { since: number; from: number; step: number },
  ): Tally {
    return { flops: flopsOf(cell, step - from), milliseconds: now() - since };
  }

  function left(): number {
    const cells = [...waiting, ...running.keys()].map((cell) => {
      const steps = cell.totalSteps - (running.get(cell)?.step ?? 0);
      return (flopsOf(cell, steps) * rateOf(speedKey(cell))) / 1000;
    });
    // A cell runs in one process: the last ones take their whole time, even when other processes are free.
    return Math.max(cells.reduce((sum, seconds) => sum + seconds, 0) / jobs, ...cells.slice(-jobs), 0);
  }

  function line(): string {
    const width = Math.min(MAX_COLUMNS, stream.columns ?? MAX_COLUMNS) - 1;
    const seconds = over() + running.size > 0 ? left() : Number.NaN;
    const undone = [...waiting, ...running.keys()].reduce(
      (sum, cell) => sum + flopsOf(cell, cell.totalSteps - (running.get(cell)?.step ?? 0)),
      0,
    );
    const full = Math.round(BAR * (1 - undone / totalFlops));
    const before = `${over()}/${count} cells`;
    const room = width - before.length - BAR - 4;
    const percents = [...running].map(([cell, { step }]) => `${Math.floor((100 * step) / cell.totalSteps)}%`);
    const named = [...running.keys()].map((cell, i) => `${nameOf(cell)} ${percents[i]}`);
    const parts = (each: readonly string[]): string =>
      [
        states.diverged > 0 ? `${states.diverged} diverged` : '',
        states.failed > 0 ? `${states.failed} failed` : '',
        Number.isFinite(seconds) ? `${formatDuration(seconds)} left` : '',
        ...each,
      ]
        .filter((part) => part !== '')
        .join('  ');
    const whole = parts(named);
    const rest = whole.length <= room ? whole : parts(percents).slice(0, Math.max(0, room));
    const bar = colors.cyan('█'.repeat(full)) + colors.dim('░'.repeat(BAR - full));
    return [colors.bold(before), bar, rest].join('  ');
  }

  const shown = live ? openLiveLine(stream, line) : undefined;
  const note = shown?.note ?? ((text: string) => stream.write(`${text}\n`));

  return {
    found(cell, outcome) {
      if (outcome) states[outcome.state]++;
      else waiting.add(cell);
    },
    step(cell, step) {
      waiting.delete(cell);
      const known = running.get(cell);
      // The clock starts at the first message, so that start-up does not count as steps.
      if (known) known.step = step;
      else running.set(cell, { since: now(), from: step, step });
    },
    over(cell, outcome) {
      const at = running.get(cell);
      if (at && outcome.state === 'done') {
        const { flops, milliseconds } = spent(cell, { ...at, step: cell.totalSteps });
        const known = tally(speedKey(cell));
        known.flops += flops;
        known.milliseconds += milliseconds;
      }
      waiting.delete(cell);
      running.delete(cell);
      states[outcome.state]++;
      const number = `${String(over()).padStart(String(count).length)}/${count}`;
      const seconds = left();
      const rest =
        Number.isFinite(seconds) && seconds > 0 ? colors.dim(`  ${formatDuration(seconds)} left`) : '';
      note(`${number}  ${nameOf(cell).padEnd(nameWidth)}  ${describe(outcome, result(cell))}${rest}`);
    },
    note: (text) => note(printable(text)),
    left,
    stop() {
      shown?.stop();
    },
  };

  function describe({ state, message, metrics }: CellOutcome, test: MetricsLine | undefined): string {
    if (state !== 'done') return colors.yellow(`${state}: ${printable(message ?? '')}`);
    const { label, unit, value } = errorOf(judgeOf(metrics ?? OLD_METRICS));
    const measured = test ? value(test) : null;
    if (measured === null) return 'done';
    const text = unit === '%' ? `${measured.toFixed(2)}%` : shortNumber(measured, 3);
    return colors.green(`test ${label} ${text}`);
  }
}

const MAX_COLUMNS = 100;
const BAR = 12;

/** Names made of what tells the cells apart, without what all share: `micro-p8 ×0.25 warmup GR+zero seed 2`. */
function shortNames(cells: readonly PlannedCell[]): ReadonlyMap<PlannedCell, string> {
  const parts: readonly ((cell: PlannedCell) => string)[] = [
    ({ model }) => model,
    ({ dataset }) => dataset,
    ({ config }) => (config.trainFraction === 1 ? '' : `×${config.trainFraction}`),
    ({ config }) => config.optimizer,
    ({ config }) => (config.warmupEpochs > 0 ? 'warmup' : 'no warmup'),
    ({ config: { gr, grWarmup } }) => (grWarmup === 'none' ? gr : `${gr}+${grWarmup}`),
    ({ config }) => `seed ${config.seed}`,
  ];
  const varying = parts.filter((part) => new Set(cells.map(part)).size > 1);
  const name = (cell: PlannedCell) =>
    varying
      .map((part) => part(cell))
      .filter((word) => word !== '')
      .join(' ');
  const isClear = new Set(cells.map(name)).size === cells.length;
  if (isClear) return new Map(cells.map((cell) => [cell, printable(name(cell))]));
  // No part names the weight decay and the like. Where cells differ in that, their values on the axes tell them apart.
  const onAxes = ({ values }: PlannedCell) =>
    Object.entries(values)
      .map(([axis, value]) => `${axis} ${value}`)
      .join(' ');
  const isTold = new Set(cells.map(onAxes)).size === cells.length;
  return new Map(cells.map((cell) => [cell, printable(isTold ? onAxes(cell) : cell.id)]));
}

function speedKey({ config, model }: PlannedCell): string {
  return `${model} ${config.gr}`;
}
