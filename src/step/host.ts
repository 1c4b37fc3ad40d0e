/**
 * A program on the host: sessions give the derivatives, and fused loops (loops/) do the rest in between, over one array
 * for each parameter. The plan is made once.
 */
import { expectAt } from '../expect.ts';
import { type Loop, type LoopWork, loopOf, operandsOf } from './loops/loop.ts';
import { compileLoops, type RunLoop } from './loops/memory.ts';
import { type Given, givenIn, numberOf } from './numbers.ts';
import {
  type Derivative,
  type Group,
  isDerivative,
  type Num,
  type Program,
  REPORTS,
  type ReportName,
  type Vec,
} from './program.ts';

/** A vector: an array for each parameter, in their order. */
export type Arrays = readonly Float32Array[];

/** The derivatives of the loss of one batch. Arrays that they give are the caller's. */
export interface HostDerivatives {
  /** ∇L at a place, at the parameters where none is given; or what a group of the examples gives of it. */
  gradient(at?: Arrays, group?: Group): Promise<Arrays>;
  /** The Hessian at the parameters times a vector. */
  hessianTimes(v: Arrays): Promise<Arrays>;
  /** A regularized gradient computed as a whole, with its scalars, and the clean gradient's norm. */
  whole?(
    regularizer: string,
    scalars: readonly number[],
  ): Promise<{ readonly gradient: Arrays; readonly gradNorm: number }>;
}

/** The step's scalars: by name, or for grouped ones of each parameter. */
export interface StepScalars {
  readonly uniform: Readonly<Record<string, number>>;
  readonly grouped: Readonly<Record<string, readonly number[]>>;
}

export type Reports = Readonly<Record<ReportName, number>>;

export interface HostStep {
  readonly derivatives: HostDerivatives;
  /** `theta` and the slots, which are changed in place. */
  readonly state: Readonly<Record<string, Arrays>>;
  /** Room for `HostPlan.scratch` vectors, by number. */
  readonly scratch: (index: number) => Arrays;
  readonly scalars: StepScalars;
  /** Called before anything is changed, with what is stepped along where it lies in arrays; what it throws ends the step. */
  readonly beforeUpdate?: (reports: Reports, regularized: Arrays | undefined) => void;
  /** Called in place of the update of each parameter, which is `apply`. */
  readonly aroundUpdate?: (parameter: number, apply: () => void) => void;
}

export interface HostPlan {
  /** How many vectors the plan keeps at once, besides state and derivatives. */
  readonly scratch: number;
  run(step: HostStep): Promise<Reports>;
}

type Action =
  | { readonly kind: 'derivative'; readonly vec: Derivative }
  | { readonly kind: 'store'; readonly vec: Vec; readonly loop: Loop; readonly place: number }
  | { readonly kind: 'sum'; readonly num: Given; readonly loop: Loop };

type Runs = ReadonlyMap<Loop, RunLoop | undefined>;

/** The plan of a program. */
export function planStep(program: Program): HostPlan {
  const planner = new Planner();
  for (const report of REPORTS) planner.needNum(program.reports[report]);
  if (program.regularized.op === 'stored') planner.need(program.regularized);
  const changed = Object.entries(program.next).filter(([slot, vec]) => !isItself(slot, vec));
  const names = changed.map(([slot]) => slot);
  const results = changed.map(([, vec]) => vec);
  for (const vec of results) planner.need(vec);
  const update = planner.loop({ kind: 'store', results });
  const { actions } = planner;
  const loops = [...actions.flatMap((action) => (action.kind === 'derivative' ? [] : [action.loop])), update];
  const compiled = compileLoops(loops);
  const runs = new Map(loops.map((loop, k) => [loop, compiled[k]]));
  return {
    scratch: planner.places,
    async run(step) {
      const running = new Running(step);
      for (const action of actions) await running.take(action, runs);
      const reports = running.reports(program);
      step.beforeUpdate?.(reports, running.arraysIfKnown(program.regularized));
      if (names.length === 0) return reports;
      running.pass(
        update,
        runs,
        names.map((slot) => stateOf(step, slot)),
        step.aroundUpdate,
      );
      return reports;
    },
  };
}

/** Whether a slot stays what it is. */
function isItself(slot: string, vec: Vec): boolean {
  return vec.op === 'variable' && vec.slot === slot;
}

/** Puts in order what has to be there before something can be computed. */
class Planner {
  readonly actions: Action[] = [];
  /** Scratch vectors in all. */
  places = 0;
  readonly #done = new Set<Vec | Num>();
  readonly #stored = new Set<Vec>();

  /** Computes the derivatives and the sums that a vector is made of. */
  need(vec: Vec): void {
    if (this.#done.has(vec)) return;
    this.#done.add(vec);
    switch (vec.op) {
      case 'variable':
        return;
      case 'spread':
        this.needNum(vec.of);
        return;
      case 'gradient':
      case 'hessian':
        this.#store(vec.op === 'gradient' ? vec.at : vec.v);
        this.actions.push({ kind: 'derivative', vec });
        return;
      case 'whole':
        for (const num of vec.scalars) this.needNum(num);
        this.actions.push({ kind: 'derivative', vec });
        return;
      case 'stored':
        this.#store(vec);
        return;
      default:
        for (const operand of operandsOf(vec)) this.need(operand);
    }
  }

  needNum(num: Num): void {
    for (const given of givenIn(num)) {
      if (this.#done.has(given)) continue;
      this.#done.add(given);
      if (given.op === 'scalar') continue;
      this.need(given.of);
      if (given.op === 'sum') {
        this.actions.push({ kind: 'sum', num: given, loop: this.loop({ kind: 'sum', of: given.of }) });
      }
    }
  }

  /** The pass that computes something, from what is stored by now. */
  loop(work: LoopWork): Loop {
    return loopOf(work, (vec) => this.#isStored(vec));
  }

  #store(vec: Vec): void {
    if (this.#isStored(vec)) {
      this.need(vec);
      return;
    }
    for (const operand of operandsOf(vec)) this.need(operand);
    const loop = this.loop({ kind: 'store', results: [vec] });
    this.actions.push({ kind: 'store', vec, loop, place: this.places++ });
    this.#stored.add(vec);
  }

  #isStored(vec: Vec): boolean {
    return vec.op === 'variable' || isDerivative(vec) || this.#stored.has(vec);
  }
}

/** One step as it goes on: what is known by now. */
class Running {
  readonly #step: HostStep;
  readonly #vectors = new Map<Vec, Arrays>();
  readonly #sums = new Map<Num, number>();
  /** The clean gradient's norm, by what was computed with it. */
  readonly #measured = new Map<Derivative, number>();

  constructor(step: HostStep) {
    this.#step = step;
  }

  async take(action: Action, runs: Runs): Promise<void> {
    switch (action.kind) {
      case 'derivative':
        this.#vectors.set(action.vec, await this.#derivative(action.vec));
        return;
      case 'store': {
        const to = this.#step.scratch(action.place);
        this.pass(action.loop, runs, [to]);
        this.#vectors.set(action.vec, to);
        return;
      }
      case 'sum':
        this.#sums.set(action.num, this.pass(action.loop, runs, []));
    }
  }

  async #derivative(vec: Derivative): Promise<Arrays> {
    const { derivatives } = this.#step;
    if (vec.op === 'hessian') return derivatives.hessianTimes(this.#arrays(vec.v));
    if (vec.op === 'gradient') {
      const isHere = vec.at.op === 'variable' && vec.at.slot === 'theta';
      return derivatives.gradient(isHere ? undefined : this.#arrays(vec.at), vec.group);
    }
    const scalars = vec.scalars.map((num) => this.#number(num, 0));
    const whole = await derivatives.whole?.(vec.regularizer, scalars);
    if (!whole) throw new Error(`internal: no graph computes ${vec.regularizer} as a whole`);
    this.#measured.set(vec, whole.gradNorm);
    return whole.gradient;
  }

  reports({ reports }: Program): Reports {
    const numbers = REPORTS.map((name) => [name, this.#number(reports[name], 0)] as const);
    return { gradNorm: 0, regularizedNorm: 0, product: 0, ...Object.fromEntries(numbers) };
  }

  arraysIfKnown(vec: Vec): Arrays | undefined {
    return this.#vectors.get(vec);
  }

  /** Runs a loop over every parameter's arrays. */
  pass(
    loop: Loop,
    runs: Runs,
    results: readonly Arrays[],
    around: (parameter: number, apply: () => void) => void = (_, apply) => apply(),
  ): number {
    const { leaves, nums } = loop;
    const run = runs.get(loop);
    if (!run) throw new Error('internal: a loop that was not compiled');
    const from = leaves.map((vec) => this.#arrays(vec));
    const parameters = (from[0] ?? results[0])?.length ?? 0;
    let total = 0;
    for (let k = 0; k < parameters; k++) {
      around(k, () => {
        total += run({
          leaves: from.map((arrays) => expectAt(arrays, k)),
          results: results.map((arrays) => expectAt(arrays, k)),
          numbers: nums.map((num) => this.#number(num, k)),
        });
      });
    }
    return total;
  }

  #arrays(vec: Vec): Arrays {
    if (vec.op === 'variable') return stateOf(this.#step, vec.slot);
    const arrays = this.#vectors.get(vec);
    if (!arrays) throw new Error(`internal: ${vec.op} is used before it is computed`);
    return arrays;
  }

  /** A number, for the parameter `k` where it is grouped. */
  #number(num: Num, k: number): number {
    return numberOf(num, (given) => {
      const known = this.#given(given, k);
      if (known === undefined)
        throw new Error(`internal: no ${given.op === 'scalar' ? given.name : given.op}`);
      return known;
    });
  }

  #given(given: Given, k: number): number | undefined {
    const { uniform, grouped } = this.#step.scalars;
    switch (given.op) {
      case 'sum':
        return this.#sums.get(given);
      case 'measured':
        return this.#measured.get(given.of);
      case 'scalar':
        return given.grouped ? grouped[given.name]?.[k] : uniform[given.name];
    }
  }
}

function stateOf({ state }: HostStep, slot: string): Arrays {
  const arrays = state[slot];
  if (!arrays) throw new Error(`internal: a step without ${slot}`);
  return arrays;
}
