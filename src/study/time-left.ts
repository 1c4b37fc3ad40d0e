/** How long the cells of a study still take, from how fast those before them went. */
import type { PlannedCell } from './plan.node.ts';

/** Work that was done and the time it took. */
interface Tally {
  flops: number;
  milliseconds: number;
}

interface Running {
  readonly since: number;
  /** The step at which the clock started. */
  readonly from: number;
  step: number;
}

export class TimeLeft {
  readonly running = new Map<PlannedCell, Running>();
  readonly #waiting = new Set<PlannedCell>();
  /** By `speedKey`. */
  readonly #tallies = new Map<string, Tally>();
  readonly #jobs: number;
  readonly #now: () => number;

  /** `jobs` cells run at a time; `now` is a clock in milliseconds. */
  constructor(jobs: number, now: () => number) {
    this.#jobs = jobs;
    this.#now = now;
  }

  waits(cell: PlannedCell): void {
    this.#waiting.add(cell);
  }

  /** The clock starts at the first message of a cell, so that start-up does not count as steps. */
  step(cell: PlannedCell, step: number): void {
    this.#waiting.delete(cell);
    const known = this.running.get(cell);
    if (known) known.step = step;
    else this.running.set(cell, { since: this.#now(), from: step, step });
  }

  over(cell: PlannedCell, isDone: boolean): void {
    const at = this.running.get(cell);
    if (at && isDone) {
      const { flops, milliseconds } = this.#spent(cell, { ...at, step: cell.totalSteps });
      const known = this.#tally(speedKey(cell));
      known.flops += flops;
      known.milliseconds += milliseconds;
    }
    this.#waiting.delete(cell);
    this.running.delete(cell);
  }

  /** Seconds until all cells are over; NaN before anything is known. */
  seconds(): number {
    const cells = this.#open().map(([cell, flops]) => (flops * this.#rateOf(speedKey(cell))) / 1000);
    // A cell runs in one process: the last ones take their whole time, even when other processes are free.
    const all = cells.reduce((sum, seconds) => sum + seconds, 0) / this.#jobs;
    return Math.max(all, ...cells.slice(-this.#jobs), 0);
  }

  /** Floating-point operations that are still to be done. */
  undone(): number {
    return this.#open().reduce((sum, [, flops]) => sum + flops, 0);
  }

  #open(): (readonly [cell: PlannedCell, flops: number])[] {
    return [...this.#waiting, ...this.running.keys()].map((cell) => {
      const steps = cell.totalSteps - (this.running.get(cell)?.step ?? 0);
      return [cell, flopsOf(cell, steps)];
    });
  }

  #tally(key: string): Tally {
    const known = this.#tallies.get(key) ?? { flops: 0, milliseconds: 0 };
    this.#tallies.set(key, known);
    return known;
  }

  /** Milliseconds per operation. Each kind of cell has its own, since network and method change the speed. */
  #rateOf(key: string): number {
    const now = [...this.running].map(([cell, at]) => [speedKey(cell), this.#spent(cell, at)] as const);
    const own = [this.#tally(key), ...now.filter(([other]) => other === key).map(([, each]) => each)];
    return own.some(({ flops }) => flops > 0)
      ? rate(own)
      : rate([...this.#tallies.values(), ...now.map(([, each]) => each)]);
  }

  #spent(cell: PlannedCell, { since, from, step }: Running): Tally {
    return { flops: flopsOf(cell, step - from), milliseconds: this.#now() - since };
  }
}

function rate(tallies: readonly Tally[]): number {
  const milliseconds = tallies.reduce((sum, each) => sum + each.milliseconds, 0);
  return milliseconds / tallies.reduce((sum, each) => sum + each.flops, 0);
}

function flopsOf(cell: PlannedCell, steps: number): number {
  return (cell.flops * steps) / cell.totalSteps;
}

function speedKey({ config, model }: PlannedCell): string {
  return `${model} ${config.gr}`;
}
