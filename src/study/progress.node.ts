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
import { TimeLeft } from './time-left.ts';

type Colors = ReturnType<typeof pc.createColors>;

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

/** What the live line is drawn from. */
interface Drawn {
  readonly columns: number;
  readonly colors: Colors;
  /** Of all cells. */
  readonly count: number;
  readonly totalFlops: number;
  readonly states: Readonly<Record<CellOutcome['state'], number>>;
  readonly time: TimeLeft;
  readonly nameOf: (cell: PlannedCell) => string;
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
  const states: Record<CellOutcome['state'], number> = { done: 0, diverged: 0, failed: 0 };
  const time = new TimeLeft(jobs, now);
  const count = all.length;
  const names = shortNames(all);
  const nameOf = (cell: PlannedCell): string => names.get(cell) ?? cell.id;
  const nameWidth = Math.max(...[...names.values()].map(({ length }) => length));
  const totalFlops = all.reduce((sum, { flops }) => sum + flops, 0);
  const line = (): string =>
    drawLine({ columns: stream.columns ?? MAX_COLUMNS, colors, count, totalFlops, states, time, nameOf });
  const shown = live ? openLiveLine(stream, line) : undefined;
  const note = shown?.note ?? ((text: string) => stream.write(`${text}\n`));

  return {
    found(cell, outcome) {
      if (outcome) states[outcome.state]++;
      else time.waits(cell);
    },
    step: (cell, step) => time.step(cell, step),
    over(cell, outcome) {
      time.over(cell, outcome.state === 'done');
      states[outcome.state]++;
      const number = `${String(overOf(states)).padStart(String(count).length)}/${count}`;
      const seconds = time.seconds();
      const rest =
        Number.isFinite(seconds) && seconds > 0 ? colors.dim(`  ${formatDuration(seconds)} left`) : '';
      note(`${number}  ${nameOf(cell).padEnd(nameWidth)}  ${describe(outcome, result(cell), colors)}${rest}`);
    },
    note: (text) => note(printable(text)),
    left: () => time.seconds(),
    stop() {
      shown?.stop();
    },
  };
}

function overOf({ done, diverged, failed }: Drawn['states']): number {
  return done + diverged + failed;
}

function drawLine({ columns, colors, count, totalFlops, states, time, nameOf }: Drawn): string {
  const { running } = time;
  const over = overOf(states);
  const seconds = over + running.size > 0 ? time.seconds() : Number.NaN;
  const full = Math.round(BAR * (1 - time.undone() / totalFlops));
  const before = `${over}/${count} cells`;
  const room = Math.min(MAX_COLUMNS, columns) - 1 - before.length - BAR - 4;
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

function describe(
  { state, message, metrics }: CellOutcome,
  test: MetricsLine | undefined,
  colors: Colors,
): string {
  if (state !== 'done') return colors.yellow(`${state}: ${printable(message ?? '')}`);
  const { label, unit, value } = errorOf(judgeOf(metrics ?? OLD_METRICS));
  const measured = test ? value(test) : null;
  if (measured === null) return 'done';
  const text = unit === '%' ? `${measured.toFixed(2)}%` : shortNumber(measured, 3);
  return colors.green(`test ${label} ${text}`);
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
