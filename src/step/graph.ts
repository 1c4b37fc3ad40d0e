/**
 * A program as values of a graph: one flat vector (flat.ts) for the parameters and for each slot, so that a step is one
 * run and its state can stay on a device.
 */
import { hvp } from '../autodiff/grad.ts';
import { substitute } from '../onnx/graph.ts';
import * as ops from '../onnx/ops.ts';
import type { Value } from '../onnx/value.ts';
import { type FlatLayout, flatSum } from './flat.ts';
import type { BinaryOp, Num, NumOp, Program, ReportName, UnaryOp, Vec } from './program.ts';

/** The model whose step it is. */
export interface StepModel {
  readonly layout: FlatLayout;
  /** The parameters: inputs, in whose place parts of the flat vector are put. */
  readonly parameters: readonly Value[];
  /** ∇L at the parameters. */
  readonly gradient: readonly Value[];
  /** The gradient that is differentiated again; another graph of the same where memory is short. */
  readonly differentiated?: readonly Value[];
  /** `theta` and the slots: inputs of the graph, flat. */
  readonly state: Readonly<Record<string, Value>>;
  /** A scalar of each group of the layout, by name: the rate times the group's factor; none where that is 0. */
  readonly grouped: Readonly<Record<string, readonly (Value | undefined)[]>>;
}

export interface StepGraph {
  /** What each of `state` becomes. */
  readonly next: Readonly<Record<string, Value>>;
  readonly reports: Readonly<Record<ReportName, Value>>;
  /** The scalars of the program as inputs of the graph, by name. */
  readonly scalars: ReadonlyMap<string, Value>;
  /**
   * What stands for inputs in all values of the graph: parts of the state for the parameters, and of a perturbed state
   * for those of a gradient elsewhere. To be substituted in whatever else the graph computes.
   */
  readonly places: ReadonlyMap<Value, Value>;
}

/** A number, of all groups or of each. */
type Number = Value | readonly (Value | undefined)[];

const UNARY: Readonly<Record<UnaryOp, (x: Value) => Value>> = {
  single: (x) => x,
  stored: (x) => x,
  sqrt: ops.sqrt,
  abs: ops.abs,
  sign: ops.sign,
};

const BINARY: Readonly<Record<BinaryOp, (a: Value, b: Value) => Value>> = {
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  min: (a, b) => ops.where(ops.less(a, b), a, b),
  max: (a, b) => ops.where(ops.less(a, b), b, a),
};

const CALCULATED: Readonly<Record<NumOp, (a: Value, b: Value) => Value>> = {
  ...BINARY,
  over: (a, b) => ops.where(ops.equal(b, 0), 0, ops.div(a, b)),
};

/** Writes a program over a model. */
export function graphStep(program: Program, model: StepModel): StepGraph {
  const writer = new Writer(model);
  const next = Object.entries(program.next).map(([slot, vec]) => {
    const value = writer.vector(vec);
    // A graph's output is none of its inputs.
    return [slot, vec.op === 'variable' ? ops.identity(value) : value] as const;
  });
  const { gradNorm, regularizedNorm, product } = program.reports;
  return {
    next: Object.fromEntries(next),
    reports: {
      gradNorm: writer.uniform(gradNorm),
      regularizedNorm: writer.uniform(regularizedNorm),
      product: writer.uniform(product),
    },
    scalars: writer.scalars,
    places: writer.places,
  };
}

class Writer {
  readonly scalars = new Map<string, Value>();
  readonly places = new Map<Value, Value>();
  readonly #model: StepModel;
  readonly #vectors = new Map<Vec, Value>();
  readonly #numbers = new Map<Num, Number>();

  constructor(model: StepModel) {
    this.#model = model;
    model.layout.split(this.#state('theta')).forEach((value, i) => {
      this.places.set(parameterAt(model.parameters, i), value);
    });
  }

  vector(vec: Vec): Value {
    const written = this.#vectors.get(vec) ?? this.#vector(vec);
    this.#vectors.set(vec, written);
    return written;
  }

  /** A number that is the same for all groups. */
  uniform(num: Num): Value {
    const value = this.#number(num);
    if (isGrouped(value)) throw new Error('internal: a number that differs by group');
    return value;
  }

  #number(num: Num): Number {
    const written = this.#numbers.get(num) ?? this.#calculated(num);
    this.#numbers.set(num, written);
    return written;
  }

  #calculated(num: Num): Number {
    switch (num.op) {
      case 'number':
        return ops.scalar(num.value);
      case 'scalar':
        return num.grouped ? this.#grouped(num.name) : this.#scalar(num.name);
      case 'sum':
        return flatSum(this.vector(num.of));
      case 'root':
        return ops.sqrt(this.uniform(num.of));
      case 'calculated':
        return combined(CALCULATED[num.f], this.#number(num.a), this.#number(num.b));
      case 'measured':
        throw new Error('internal: a graph of a whole step has its gradient');
    }
  }

  #vector(vec: Vec): Value {
    const { layout, parameters, gradient, differentiated = gradient } = this.#model;
    switch (vec.op) {
      case 'variable':
        return this.#state(vec.slot);
      case 'gradient': {
        if (vec.group) throw new Error('internal: a graph of a whole step has no groups of examples');
        if (vec.at.op === 'variable') return layout.join(gradient);
        const names = parameters.map(({ shape }, i) => ops.input(`place${this.places.size}/${i}`, shape));
        layout.split(this.vector(vec.at)).forEach((value, i) => {
          this.places.set(parameterAt(names, i), value);
        });
        const there = new Map(parameters.map((value, i) => [value, parameterAt(names, i)]));
        return layout.join(substitute(gradient, there));
      }
      case 'hessian': {
        // The parts of the gradient, where that is the vector: not cut from the joined one again.
        const isGradient = vec.v.op === 'gradient' && vec.v.at.op === 'variable';
        const v = isGradient ? gradient : layout.split(this.vector(vec.v));
        return layout.join(hvp(differentiated, parameters, v));
      }
      case 'whole':
        throw new Error('internal: a graph of a whole step has its regularizer');
      case 'spread': {
        const value = this.#number(vec.of);
        return isGrouped(value) ? layout.spread(value) : value;
      }
      default:
        return 'a' in vec
          ? BINARY[vec.op](this.vector(vec.a), this.vector(vec.b))
          : UNARY[vec.op](this.vector(vec.x));
    }
  }

  #scalar(name: string): Value {
    const known = this.scalars.get(name) ?? ops.input(name, []);
    this.scalars.set(name, known);
    return known;
  }

  #state(slot: string): Value {
    const value = this.#model.state[slot];
    if (!value) throw new Error(`internal: a step without ${slot}`);
    return value;
  }

  #grouped(name: string): Number {
    const values = this.#model.grouped[name];
    const [first] = values ?? [];
    if (!values) throw new Error(`internal: no ${name} by group`);
    return first && values.every((value) => value === first) ? first : values;
  }
}

function isGrouped(number: Number): number is readonly (Value | undefined)[] {
  return Array.isArray(number);
}

function combined(f: (a: Value, b: Value) => Value, a: Number, b: Number): Number {
  if (!isGrouped(a) && !isGrouped(b)) return f(a, b);
  const groups = Math.max(isGrouped(a) ? a.length : 0, isGrouped(b) ? b.length : 0);
  const of = (number: Number, group: number): Value =>
    (isGrouped(number) ? number[group] : number) ?? ops.scalar(0);
  return Array.from({ length: groups }, (_, group) => f(of(a, group), of(b, group)));
}

function parameterAt(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (!value) throw new Error(`internal: no parameter ${index}`);
  return value;
}
