/**
 * A training step as a small program over vectors of the parameters' size: elementwise operations, sums, gradients and
 * Hessian-vector products. A regularizer and an update rule are plain functions that write it, once; `graph.ts` makes
 * it values of a graph, `host.ts` a plan of sessions with loops between. Types are concrete and nothing runs here.
 */
import { UserError } from '../errors.ts';

/** A number of the step: float64 on the host, a float32 scalar in a graph. */
export type Num =
  | { readonly op: 'number'; readonly value: number }
  /** What varies by step, and for `grouped` ones by group of parameters too. */
  | { readonly op: 'scalar'; readonly name: string; readonly grouped: boolean }
  /** The sum over all elements of all parameters. */
  | { readonly op: 'sum'; readonly of: Vec }
  /** The clean gradient's norm, from a graph that keeps that gradient to itself. */
  | { readonly op: 'measured'; readonly of: Derivative }
  | { readonly op: 'calculated'; readonly f: NumOp; readonly a: Num; readonly b: Num }
  | { readonly op: 'root'; readonly of: Num };

/** `over`: a/b, and 0 where b is 0. */
export type NumOp = BinaryOp | 'over';

/** A vector: one element for each parameter element. */
export type Vec =
  | Variable
  | Derivative
  | { readonly op: 'spread'; readonly of: Num }
  | { readonly op: UnaryOp; readonly x: Vec }
  | { readonly op: BinaryOp; readonly a: Vec; readonly b: Vec };

/** What the step starts from: the parameters `theta`, and the slots of the update rule and of the regularizer. */
export interface Variable {
  readonly op: 'variable';
  readonly slot: string;
}

/** One of several parts of a batch, as many examples each. */
export interface Group {
  readonly index: number;
  readonly of: number;
}

export type Derivative =
  /** ∇L at a place or, of a group of the batch's examples, what they give of it. */
  | { readonly op: 'gradient'; readonly at: Vec; readonly group?: Group }
  /** The Hessian of L at the parameters, times a vector. */
  | { readonly op: 'hessian'; readonly v: Vec }
  /** A regularized gradient that one graph computes as a whole, cheaper than its parts. */
  | { readonly op: 'whole'; readonly regularizer: string; readonly scalars: readonly Num[] };

/**
 * `single`: from here on float32 is enough. It rounds, and so does every operation on what it gives; all others are
 * float64 on the host. `stored`: the same, kept in arrays of its own, to be looked at.
 */
export const UNARY_OPS = ['single', 'stored', 'sqrt', 'abs', 'sign'] as const;
export type UnaryOp = (typeof UNARY_OPS)[number];
export const BINARY_OPS = ['add', 'sub', 'mul', 'div', 'min', 'max'] as const;
export type BinaryOp = (typeof BINARY_OPS)[number];

/** What a formula takes: vectors, numbers of the step, constants. */
export type Operand = Vec | Num | number;

const NUM_OPS: ReadonlySet<string> = new Set(['number', 'scalar', 'sum', 'measured', 'calculated', 'root']);

function isVec(x: Operand): x is Vec {
  return typeof x !== 'number' && !NUM_OPS.has(x.op);
}

function num(x: Num | number): Num {
  return typeof x === 'number' ? { op: 'number', value: x } : x;
}

function vec(x: Operand): Vec {
  return isVec(x) ? x : { op: 'spread', of: num(x) };
}

function calculated(f: NumOp, a: Num | number, b: Num | number): Num {
  return { op: 'calculated', f, a: num(a), b: num(b) };
}

interface Binary {
  (a: Num | number, b: Num | number): Num;
  (a: Operand, b: Operand): Vec;
}

function binary(op: BinaryOp): Binary {
  function apply(a: Num | number, b: Num | number): Num;
  function apply(a: Operand, b: Operand): Vec;
  function apply(a: Operand, b: Operand): Vec | Num {
    return isVec(a) || isVec(b) ? { op, a: vec(a), b: vec(b) } : calculated(op, a, b);
  }
  return apply;
}

/** Elementwise where one of the two is a vector. */
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');
export const min = binary('min');
export const max = binary('max');

export const sqrt = (x: Vec): Vec => ({ op: 'sqrt', x });
export const abs = (x: Vec): Vec => ({ op: 'abs', x });
/** −1, 0 or 1. */
export const sign = (x: Vec): Vec => ({ op: 'sign', x });
export const single = (x: Vec): Vec => ({ op: 'single', x });
export const stored = (x: Vec): Vec => ({ op: 'stored', x });

/** Σ x over all parameters. */
export const sum = (of: Vec): Num => ({ op: 'sum', of });
export const dot = (a: Vec, b: Vec): Num => sum(mul(a, b));
/** √Σ x². */
export const norm = (x: Vec): Num => ({ op: 'root', of: dot(x, x) });
/** a/b, and 0 where b is 0. */
export const over = (a: Num | number, b: Num | number): Num => calculated('over', a, b);

/** The derivatives of the loss L, the mean over the batch, at the step's parameters. */
export interface Derivatives {
  readonly theta: Vec;
  /** ∇L, at the parameters or elsewhere. Asked for again, it is the same vector, computed once. */
  gradient(at?: Vec): Vec;
  hessianTimes(v: Vec): Vec;
}

export type Scalars<Names extends string = string> = Readonly<Record<Names, Num>>;

/**
 * What is stepped along, in place of the gradient. `scalars` names its strengths: numbers that its schedule gives for
 * every step.
 */
export interface Regularizer<Names extends string = string> {
  readonly name: string;
  readonly scalars: readonly Names[];
  gradient(d: Derivatives, scalars: Scalars<Names>): Vec;
  /** For a regularizer that keeps something of a step, so that later ones do with fewer derivatives. */
  readonly reuse?: Reuse<Names>;
}

/** What a regularizer keeps of a step, and what later steps make of it. */
export interface Reuse<Names extends string = string, Slots extends string = string> {
  /** What is kept for each parameter element, beside what the update rule keeps; zeros at the start. */
  readonly slots: readonly Slots[];
  /** What is kept of a step along `regularized`, which the regularizer's `gradient` gave. */
  keep(regularized: Vec, d: Derivatives): Readonly<Record<Slots, Vec>>;
  /** What is stepped along in a step that uses it again. */
  gradient(d: Derivatives, scalars: Scalars<Names>, kept: Readonly<Record<Slots, Vec>>): Vec;
}

/** What a step takes of its regularizer: nothing, all of it, or what it kept of an earlier step (`Reuse`). */
export type Use = 'none' | 'full' | 'kept';

/** The numbers that every update rule has: of the parameter's group, after factors and masks. */
export interface Rates {
  readonly learningRate: Num;
  /** 0 where the parameter does not decay. */
  readonly weightDecay: Num;
}

/** How parameters and slots follow from the gradient. */
export interface UpdateRule<Slots extends string = string, Names extends string = string> {
  readonly name: string;
  /** What is kept for each parameter element; zeros at the start. */
  readonly slots: readonly Slots[];
  /** Slots that start as copies of the parameters instead. */
  readonly copies?: readonly Slots[];
  /** What depends on how many steps were taken, this one included (1 at the first): bias corrections. */
  scalars(count: number): Readonly<Record<Names, number>>;
  next(
    at: Readonly<Record<'theta' | 'g' | Slots, Vec>>,
    rates: Rates,
    scalars: Scalars<Names>,
  ): Readonly<Record<'theta' | Slots, Vec>>;
}

/** A step, traced: what each variable becomes, and numbers to be told. */
export interface Program {
  readonly next: Readonly<Record<string, Vec>>;
  readonly reports: Readonly<Record<ReportName, Num>>;
  /** What is stepped along, before clipping, where `observed` asked for it. */
  readonly regularized: Vec;
}

export const REPORTS = ['gradNorm', 'regularizedNorm', 'product'] as const;
/** ‖∇L‖ (with a decay in the loss, of that loss), the norm of what is stepped along, and the inner product of the two (0 unless `observed`). */
export type ReportName = (typeof REPORTS)[number];

export interface StepFormula {
  readonly regularizer: Regularizer;
  readonly rule: UpdateRule;
  /** `full` where it is left out. */
  readonly use?: Use;
  /** Whether what is stepped along is to be looked at: it is stored, and `product` is computed. */
  readonly observed?: boolean;
  /** Whether the regularizer is a graph's work as a whole. That graph knows nothing of a decay in the loss. */
  readonly whole?: boolean;
  /** `update` where it is left out. */
  readonly weightDecayIn?: DecayPlace;
  /**
   * The parts of the batch, 1 where it is left out. Each is regularized by itself, by the gradient of its own examples, and
   * the mean is stepped along: m-sharpness (Foret et al., ICLR 2021, section 4.1), as several devices that do not
   * synchronize the perturbation compute it.
   */
  readonly groups?: number;
}

/**
 * Where weight decay acts. `update`: as the rule has it, after clipping. `loss`: the loss is L + ½·Σ wd·θ², whose
 * gradient the regularizer perturbs along and clipping sees, as in the authors' code, and the rule adds nothing.
 */
export const DECAY_PLACES = ['update', 'loss'] as const;
export type DecayPlace = (typeof DECAY_PLACES)[number];

/** Slots of the update rule, then those of the regularizer. Throws UserError where both have one of a name. */
export function slotsOf({ rule, regularizer }: Pick<StepFormula, 'rule' | 'regularizer'>): readonly string[] {
  const kept = regularizer.reuse?.slots ?? [];
  const twice = kept.find((slot) => rule.slots.includes(slot));
  if (twice !== undefined) {
    throw new UserError(
      `regularizer: ${regularizer.name} keeps ${twice}, and so does ${rule.name}; give its slot another name`,
    );
  }
  return [...rule.slots, ...kept];
}

/** A whole step, which gives every slot. The largest norm of what is stepped along is the scalar `clip`. */
export function traceStep({ rule, ...formula }: StepFormula): Program {
  const decay = scalar('weightDecay', true);
  const inLoss = formula.weightDecayIn === 'loss';
  const { regularizer, use = 'full' } = formula;
  // What is not perturbed is the same whatever the groups.
  const traced = derivatives(inLoss ? decay : undefined, use === 'full' ? formula.groups : 1);
  const { d } = traced;
  const kept = variables(regularizer.reuse?.slots ?? []);
  const { g, regularized, reports } = traceRegularized(traced, formula, kept);
  const at = { ...variables(rule.slots), theta: d.theta, g: clipped(g, reports.regularizedNorm) };
  const rates = { learningRate: scalar('learningRate', true), weightDecay: inLoss ? num(0) : decay };
  const next = rule.next(at, rates, named(Object.keys(rule.scalars(1))));
  const keeps = use === 'full' ? regularizer.reuse?.keep(g, d) : undefined;
  return { next: { ...kept, ...keeps, ...next }, reports, regularized };
}

/** What would be stepped along, in arrays; nothing is changed. */
export function traceGradient(formula: Omit<StepFormula, 'rule' | 'weightDecayIn' | 'groups'>): Program {
  const { regularized, reports } = traceRegularized(derivatives(), formula, {}, true);
  return { next: {}, regularized, reports };
}

function traceRegularized(
  { d, parts }: Traced,
  formula: Omit<StepFormula, 'rule'>,
  kept: Readonly<Record<string, Vec>>,
  isStored = formula.observed ?? false,
): Pick<Program, 'regularized' | 'reports'> & { readonly g: Vec } {
  const { observed = false } = formula;
  const g = steppedAlong({ d, parts }, formula, kept);
  const gradNorm: Num = g.op === 'whole' ? { op: 'measured', of: g } : norm(d.gradient());
  return {
    g,
    // Beside what the step computes with, which is not rounded to float32: to look at it changes no number.
    regularized: isStored && !isDerivative(g) ? stored(g) : g,
    reports: {
      gradNorm,
      regularizedNorm: g === d.gradient() ? gradNorm : norm(g),
      product: observed ? dot(d.gradient(), g) : num(0),
    },
  };
}

function steppedAlong(
  { d, parts }: Traced,
  { regularizer, use = 'full', whole = false }: Omit<StepFormula, 'rule'>,
  kept: Readonly<Record<string, Vec>>,
): Vec {
  const strengths = named(regularizer.scalars);
  if (use === 'none') return d.gradient();
  if (use === 'kept') {
    if (!regularizer.reuse) throw new Error(`internal: ${regularizer.name} keeps nothing`);
    return regularizer.reuse.gradient(d, strengths, kept);
  }
  if (whole) return wholeOf(regularizer, strengths);
  return mean(parts.map((part) => regularizer.gradient(part, strengths)));
}

/** Whether a vector is one that derivatives are given as. */
export function isDerivative(vec: Vec): vec is Derivative {
  return vec.op === 'gradient' || vec.op === 'hessian' || vec.op === 'whole';
}

/** As torch's `clip_grad_norm_`, which adds 1e-6. */
function clipped(g: Vec, length: Num): Vec {
  return mul(g, min(1, div(scalar('clip'), add(length, 1e-6))));
}

/** The derivatives of a batch, and those of each of its parts: of the mean over its own examples. */
interface Traced {
  readonly d: Derivatives;
  readonly parts: readonly Derivatives[];
}

/** Of the loss or, with `decay`, of L + ½·Σ decay·θ². */
function derivatives(decay?: Num, groups = 1): Traced {
  const theta: Vec = { op: 'variable', slot: 'theta' };
  const penalized = (derivative: Vec, x: Vec): Vec => (decay ? add(derivative, mul(decay, x)) : derivative);
  const of = (gradientAt: (at: Vec) => Vec): Derivatives => {
    const known = new Map<Vec, Vec>();
    return {
      theta,
      gradient(at = theta) {
        const gradient = known.get(at) ?? penalized(gradientAt(at), at);
        known.set(at, gradient);
        return gradient;
      },
      hessianTimes: (v) => penalized({ op: 'hessian', v }, v),
    };
  };
  if (groups === 1) {
    const d = of((at) => ({ op: 'gradient', at }));
    return { d, parts: [d] };
  }
  const ofGroup = (index: number, at: Vec): Vec => ({ op: 'gradient', at, group: { index, of: groups } });
  const clean = Array.from({ length: groups }, (_, index) => ofGroup(index, theta));
  return {
    // What is there already is added up, not computed again.
    d: of((at) => (at === theta ? total(clean) : { op: 'gradient', at })),
    parts: clean.map((own, index) => of((at) => mul(groups, at === theta ? own : ofGroup(index, at)))),
  };
}

function total(vectors: readonly Vec[]): Vec {
  return vectors.reduce((sum, each) => add(sum, each));
}

function mean(vectors: readonly Vec[]): Vec {
  return vectors.length === 1 ? total(vectors) : mul(1 / vectors.length, total(vectors));
}

function wholeOf({ name, scalars }: Regularizer, strengths: Scalars): Derivative {
  return { op: 'whole', regularizer: name, scalars: scalars.map((each) => strengths[each] ?? num(0)) };
}

function scalar(name: string, grouped = false): Num {
  return { op: 'scalar', name, grouped };
}

function named(names: readonly string[]): Scalars {
  return Object.fromEntries(names.map((name) => [name, scalar(name)]));
}

function variables(slots: readonly string[]): Record<string, Vec> {
  return Object.fromEntries(slots.map((slot): [string, Vec] => [slot, { op: 'variable', slot }]));
}

/** Whether a program differentiates the gradient again. */
export function usesHessian(program: Program): boolean {
  return [...reached(program)].some(({ op }) => op === 'hessian');
}

/** The names of the scalars that a program reads. */
export function scalarsIn(program: Program): ReadonlySet<string> {
  return new Set([...reached(program)].flatMap((x) => (x.op === 'scalar' ? [x.name] : [])));
}

/** All that the next values of the variables are made of. */
function reached({ next }: Program): ReadonlySet<Vec | Num> {
  const seen = new Set<Vec | Num>();
  const visit = (x: Vec | Num): void => {
    if (seen.has(x)) return;
    seen.add(x);
    const operands: (Vec | Num)[] = [
      ...('a' in x ? [x.a, x.b] : []),
      ...('x' in x ? [x.x] : []),
      ...('of' in x ? [x.of] : []),
      ...('at' in x ? [x.at] : []),
    ];
    for (const operand of operands) visit(operand);
  };
  for (const vec of Object.values(next)) visit(vec);
  return seen;
}
