/**
 * The loops over weights as a WebAssembly module, which is assembled here. One turn of a loop takes four float32
 * elements. Where it computes in float64, two at a time, it does the operations of the TypeScript that it replaces, in
 * the same order. Float64 arithmetic is that of IEEE 754 in both, so what is stored is the same to the last bit.
 */
import type { OwnedBytes } from '../../owned-array.ts';
import {
  assemble,
  type Code,
  f32x4,
  f64,
  f64x2,
  i32,
  local,
  repeat,
  v128,
  type WasmFunction,
} from './assembler.ts';

/** Elements that a turn takes: lengths are multiples of it. */
export const LANES = 4;
const BYTES = 4 * LANES;

/** The variables and arrays of a loop, by name, for the code of a turn. */
interface Names<Array extends string, Name extends string> {
  /** A number, the same in all lanes, or a vector that was set. */
  get(name: Name): Code;
  set(name: Name, value: Code): Code;
  /** The four float32 of this turn. */
  load(array: Array): Code;
  /** The first or the last two of them, as float64. */
  half(array: Array, k: 0 | 1): Code;
  store(array: Array, value: Code): Code;
}

interface Loop<Array extends string, Double extends string, Single extends string, Vector extends string> {
  readonly name: string;
  /** float32 arrays: parameters of the function, as addresses, before their common length in bytes. */
  readonly arrays: readonly Array[];
  /** Parameters after that length, float64, used as float64. */
  readonly doubles: readonly Double[];
  /** Parameters after those, float64, used as float32. */
  readonly singles: readonly Single[];
  /** Variables, which are zero at first. */
  readonly vectors: readonly Vector[];
  turn(names: Names<Array, Double | Single | Vector>): Code;
  /** A float64 that the function returns. */
  readonly result?: (get: (name: Vector) => Code) => Code;
}

function loop<Array extends string, Double extends string, Single extends string, Vector extends string>({
  name,
  arrays,
  doubles,
  singles,
  vectors,
  turn,
  result,
}: Loop<Array, Double, Single, Vector>): WasmFunction {
  const length = arrays.length;
  const first = length + 1;
  const numbers = [...doubles.map(() => f64x2.splat), ...singles.map(() => f32x4.splat)];
  const offset = first + numbers.length;
  const names: readonly string[] = [...doubles, ...singles, ...vectors];
  const indexOf = (wanted: string) => offset + 1 + names.indexOf(wanted);
  const get = (wanted: string) => local.get(indexOf(wanted));
  const address = (array: Array) => i32.add(local.get(arrays.indexOf(array)), local.get(offset));
  const body = turn({
    get,
    set: (wanted, value) => local.set(indexOf(wanted), value),
    load: (array) => v128.load(address(array)),
    half: (array, k) => f64x2.promoteLow(v128.load64(address(array), k * (BYTES / 2))),
    store: (array, value) => v128.store(address(array), value),
  });
  const next = local.set(offset, i32.add(local.get(offset), i32.const(BYTES)));
  return {
    name,
    params: [...arrays.map(() => 'i32' as const), 'i32', ...numbers.map(() => 'f64' as const)],
    locals: ['i32', ...names.map(() => 'v128' as const)],
    results: result ? ['f64'] : [],
    body: [
      ...numbers.flatMap((splat, k) => local.set(offset + 1 + k, splat(local.get(first + k)))),
      ...repeat([...body, ...next], i32.lessThan(local.get(offset), local.get(length))),
      ...(result?.(get) ?? []),
    ],
  };
}

/**
 * The loop of adam.ts, by the same names. Moments are computed in float64. Root and quotient are computed in float32,
 * which is three times as fast: the update has a relative error of about 1e-7, and so the parameter an error of 1e-7 of
 * the update. `coupled` adds the decay to the gradient.
 */
function adam(name: string, coupled: boolean): WasmFunction {
  return loop({
    name,
    arrays: ['param', 'grad', 'mu', 'nu'],
    doubles: ['gradScale', 'beta1', 'gain1', 'beta2', 'gain2', 'l2'],
    singles: ['decay', 'stepSize', 'correction', 'epsilon'],
    vectors: ['p', 'g', 'm0', 'm1', 'm', 'v0', 'v1', 'v'],
    turn: ({ get, set, load, half, store }) => {
      const { add, mul } = f64x2;
      const moments = (k: 0 | 1): Code => {
        const [m, v] = [`m${k}`, `v${k}`] as const;
        const scaled = mul(half('grad', k), get('gradScale'));
        return [
          ...set('g', coupled ? add(scaled, mul(get('l2'), half('param', k))) : scaled),
          ...set(m, add(mul(get('beta1'), half('mu', k)), mul(get('gain1'), get('g')))),
          ...set(v, add(mul(get('beta2'), half('nu', k)), mul(mul(get('gain2'), get('g')), get('g')))),
        ];
      };
      const root = f32x4.add(f32x4.mul(f32x4.sqrt(get('v')), get('correction')), get('epsilon'));
      const update = f32x4.div(f32x4.mul(get('stepSize'), get('m')), root);
      return [
        ...moments(0),
        ...moments(1),
        ...set('m', f32x4.fromHalves(get('m0'), get('m1'))),
        ...set('v', f32x4.fromHalves(get('v0'), get('v1'))),
        ...set('p', load('param')),
        ...store('mu', get('m')),
        ...store('nu', get('v')),
        ...store('param', f32x4.sub(get('p'), f32x4.add(f32x4.mul(get('decay'), get('p')), update))),
      ];
    },
  });
}

/** to ← a·x + b·y. */
const combine = loop({
  name: 'combine',
  arrays: ['to', 'x', 'y'],
  doubles: ['a', 'b'],
  singles: [],
  vectors: [],
  turn: ({ get, half, store }) => {
    const sum = (k: 0 | 1) => f64x2.add(f64x2.mul(get('a'), half('x', k)), f64x2.mul(get('b'), half('y', k)));
    return store('to', f32x4.fromHalves(sum(0), sum(1)));
  },
});

/** Σ x², in four partial sums. */
const sumOfSquares = loop({
  name: 'sumOfSquares',
  arrays: ['x'],
  doubles: [],
  singles: [],
  vectors: ['value', 'sum0', 'sum1'],
  turn: ({ get, set, half }) =>
    ([0, 1] as const).flatMap((k) => [
      ...set('value', half('x', k)),
      ...set(`sum${k}`, f64x2.add(get(`sum${k}`), f64x2.mul(get('value'), get('value')))),
    ]),
  result: (get) => {
    const sum = f64x2.add(get('sum0'), get('sum1'));
    return f64.add(f64x2.lane(0, sum), f64x2.lane(1, sum));
  },
});

/** Σ x·y, in four partial sums. */
const dot = loop({
  name: 'dot',
  arrays: ['x', 'y'],
  doubles: [],
  singles: [],
  vectors: ['sum0', 'sum1'],
  turn: ({ get, set, half }) =>
    ([0, 1] as const).flatMap((k) =>
      set(`sum${k}`, f64x2.add(get(`sum${k}`), f64x2.mul(half('x', k), half('y', k)))),
    ),
  result: (get) => {
    const sum = f64x2.add(get('sum0'), get('sum1'));
    return f64.add(f64x2.lane(0, sum), f64x2.lane(1, sum));
  },
});

/** The module's bytes. It imports its memory as `env.memory`. */
export function assembleKernels(): OwnedBytes {
  return assemble([adam('adamw', false), adam('adam', true), combine, sumOfSquares, dot]);
}
