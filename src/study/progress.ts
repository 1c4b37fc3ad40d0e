/** What a study shows while it runs: each cell's result as it comes, and how far the whole grid is. */
import pc from 'picocolors';
import { formatDuration } from '../train/duration.ts';
import { openLiveLine } from '../train/live-line.ts';
import type { MetricsLine } from '../train/metrics.ts';
import type { CellOutcome } from './outcome.ts';
import type { PlannedCell } from './plan.ts';
import type { StudyObserver } from './runner.ts';

export interface StudyProgress extends StudyObserver {
  note(text: string): void;
  /** Seconds until all cells are over; NaN before anything is known. */
  left(): number;
  /** Gives the terminal back; call it in a `finally`. */
  stop(): void;
}

export interface StudyProgressOptions {
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly cells: number;
  readonly jobs: number;
  /** The last measurement on the test images of a cell that is over. */
  readonly result: (cell: PlannedCell) => MetricsLine | undefined;
  /** Milliseconds, from any origin. */
  readonly now?: () => number;
}

/** Work that was done and the time it took. */
interface Tally {
  flops: number;
  milliseconds: number;
}

export function createStudyProgress({
  stream,
  cells: count,
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

  const tally = (key: string): Tally => {
    const known = tallies.get(key) ?? { flops: 0, milliseconds: 0 };
    tallies.set(key, known);
    return known;
  };

  const flopsOf = (cell: PlannedCell, steps: number): number => (cell.flops * steps) / cell.totalSteps;

  /** Milliseconds per operation: small networks and plain gradients reach other speeds than large ones. */
  function rateOf(key: string): number {
    const all = [...tallies].map(([, each]) => each);
    const now = [...running].map(([cell, at]) => [speedKey(cell), spent(cell, at)] as const);
    const rate = (tallies: readonly Tally[]): number =>
      tallies.reduce((sum, each) => sum + each.milliseconds, 0) /
      tallies.reduce((sum, each) => sum + each.flops, 0);
    const own = [tally(key), ...now.filter(([other]) => other === key).map(([, each]) => each)];
    return own.some(({ flops }) => flops > 0) ? rate(own) : rate([...all, ...now.map(([, each]) => each)]);
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
    // The last cells can't be shared out.
    return Math.max(cells.reduce((sum, seconds) => sum + seconds, 0) / jobs, ...cells.slice(-jobs), 0);
  }

  function line(): string {
    const width = Math.min(100, stream.columns ?? 100) - 1;
    const seconds = left();
    const parts = [
      `${over()}/${count} cells`,
      states.diverged > 0 ? `${states.diverged} diverged` : '',
      states.failed > 0 ? `${states.failed} failed` : '',
      Number.isFinite(seconds) ? `${formatDuration(seconds)} left` : '',
      ...[...running].map(
        ([cell, { step }]) => `${nameOf(cell)} ${Math.floor((100 * step) / cell.totalSteps)}%`,
      ),
    ].filter((part) => part !== '');
    const text = parts.join('  ');
    return text.length > width ? `${text.slice(0, width - 1)}…` : text;
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
      // The first that is heard of it: its beginning is the time between.
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
      note(`${number}  ${nameOf(cell).padEnd(NAME_WIDTH)}  ${describe(outcome, result(cell))}${rest}`);
    },
    note,
    left,
    stop() {
      shown?.stop();
    },
  };

  function describe({ state, message }: CellOutcome, test: MetricsLine | undefined): string {
    if (state !== 'done') return colors.yellow(`${state}: ${message}`);
    return test?.top1 == null ? 'done' : colors.green(`test error ${(100 * (1 - test.top1)).toFixed(2)}%`);
  }
}

const NAME_WIDTH = 46;

/** The cell's id without its digest. */
function nameOf({ id }: PlannedCell): string {
  return id.replace(/-[0-9a-f]{6}$/, '');
}

function speedKey({ config, model }: PlannedCell): string {
  return `${model} ${config.gr}`;
}
