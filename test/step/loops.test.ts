/** Fused loops in WebAssembly against the plain loop: the same to the last bit, whatever the expression. */
import test from 'ava';
import * as fc from 'fast-check';
import { Random } from '../../src/random.ts';
import { type LoopWork, loopOf, plainLoop } from '../../src/step/loops/loop.ts';
import { compileLoops, reserveArrays } from '../../src/step/loops/memory.ts';
import {
  abs,
  add,
  BINARY_OPS,
  div,
  max,
  min,
  mul,
  type Num,
  type Operand,
  sign,
  single,
  sqrt,
  stored,
  sub,
  type Vec,
} from '../../src/step/program.ts';
import { combine, dot, sumOfSquares } from '../../src/step/vectors.ts';

const random = new Random(0, 'sample');
const normals = (length: number, scale = 1): Float32Array =>
  Float32Array.from({ length }, () => scale * random.normal());

const variable = (slot: string): Vec => ({ op: 'variable', slot });
const [x, y, z] = [variable('x'), variable('y'), variable('z')];
const number = (name: string): Num => ({ op: 'scalar', name, grouped: false });
const leaf = fc.constantFrom<Operand>(x, y, z, number('a'), number('b'), 0.5, -3);

const UNARY = { single, stored, sqrt: (v: Vec) => sqrt(abs(v)), abs, sign };
const BINARY = { add, sub, mul, div, min, max };

/** Vectors of up to a few dozen operations, with parts in common. */
const expression: fc.Arbitrary<Vec> = fc.letrec<{ vec: Vec; operand: Operand }>((tie) => ({
  vec: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(x, y, z),
    fc
      .tuple(fc.constantFrom(...BINARY_OPS), tie('vec'), tie('operand'), fc.boolean())
      .map(([op, a, b, isSwapped]) => (isSwapped ? BINARY[op](b, a) : BINARY[op](a, b))),
    fc
      .tuple(fc.constantFrom(...(['single', 'stored', 'sqrt', 'abs', 'sign'] as const)), tie('vec'))
      .map(([op, v]) => UNARY[op](v)),
    tie('vec').map((v) => mul(v, v)),
  ),
  operand: fc.oneof({ depthSize: 'small' }, leaf, tie('vec')),
})).vec;

const isLeaf = (vec: Vec): boolean => vec.op === 'variable';

function check(work: LoopWork, length: number, reserved: readonly boolean[]): void {
  const loop = loopOf(work, isLeaf);
  const allocate = reserveArrays([length], 8);
  const array = (k: number, values: Float32Array): Float32Array => {
    const [inside] = reserved[k % reserved.length] ? allocate() : [];
    const to = inside ?? new Float32Array(length);
    to.set(values);
    return to;
  };
  const leaves = loop.leaves.map((_, k) => array(k, normals(length)));
  const results = (work.kind === 'store' ? work.results : []).map((_, k) =>
    array(k + 3, new Float32Array(length)),
  );
  const numbers = loop.nums.map((num) => (num.op === 'number' ? num.value : 1.7));
  const expected = results.map(() => new Float32Array(length));
  const plainSum = plainLoop(loop)({ leaves, results: expected, numbers }, 0, length);
  const [run] = compileLoops([loop]);
  const sum = run?.({ leaves, results, numbers }) ?? Number.NaN;
  results.forEach((result, k) => {
    const wanted = expected[k] ?? new Float32Array();
    const wrong = result.findIndex((value, i) => !Object.is(value, wanted[i]));
    if (wrong >= 0) throw new Error(`element ${wrong}: expected ${wanted[wrong]}, got ${result[wrong]}`);
  });
  // Four partial sums in place of one: the same numbers, added in another order.
  if (work.kind === 'sum' && Number.isFinite(plainSum)) {
    const size = Math.max(1e-30, Math.abs(plainSum));
    if (Math.abs(sum - plainSum) > 1e-9 * size * length) throw new Error(`expected ${plainSum}, got ${sum}`);
  }
}

test('a loop stores what the plain loop stores, to the last bit, wherever its arrays lie', (t) => {
  fc.assert(
    fc.property(
      fc.array(expression, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 70 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
      (results, length, reserved) => check({ kind: 'store', results }, length, reserved),
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('a sum is that of the plain loop, of what float32 and float64 have', (t) => {
  fc.assert(
    fc.property(expression, fc.integer({ min: 1, max: 70 }), fc.boolean(), (of, length, reserved) =>
      check({ kind: 'sum', of: abs(of) }, length, [reserved]),
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('long arrays are taken in chunks where they lie elsewhere', (t) => {
  const result = add(mul(x, 0.3), mul(y, number('a')));
  for (const reserved of [[true], [false], [true, false, true], [false, true]]) {
    check({ kind: 'store', results: [result, sub(x, y)] }, 40_003, reserved);
  }
  t.pass();
});

test('a result may lie where a leaf does', (t) => {
  const [array = new Float32Array()] = reserveArrays([11], 1)();
  array.set(normals(11));
  const before = Float32Array.from(array);
  const loop = loopOf({ kind: 'store', results: [add(x, x), mul(x, x)] }, isLeaf);
  const squares = new Float32Array(11);
  compileLoops([loop])[0]?.({ leaves: [array], results: [array, squares], numbers: [] });
  t.deepEqual(
    array,
    before.map((value) => 2 * value),
  );
  t.deepEqual(
    squares,
    before.map((value) => value * value),
  );
});

test('arrays of other lengths are refused', (t) => {
  t.throws(() => combine(new Float32Array(3), 1, new Float32Array(4), 1, new Float32Array(3)), {
    message: /arrays of 4, 3, 3 elements/,
  });
});

test('neighbours in the memory stay as they are', (t) => {
  const allocate = reserveArrays([3, 2, 7], 2);
  const sets = [allocate(), allocate()].flat();
  for (const array of sets) array.fill(1);
  const [, middle] = sets;
  if (!middle) return t.fail();
  combine(middle, 2, middle, 1, middle);
  t.deepEqual(
    sets.map((array) => [...new Set(array)]),
    [[1], [3], [1], [1], [1], [1]],
  );
});

test('combinations and sums are right, wherever the arrays lie', (t) => {
  const norm = (values: Float32Array): number => Math.hypot(...values);
  for (const length of [1, 3, 16, 40_001]) {
    const [inside = new Float32Array()] = reserveArrays([length], 1)();
    const [u, v] = [normals(length), normals(length)];
    const expected = u.map((value, i) => 0.3 * value - 1.7 * (v[i] ?? Number.NaN));
    for (const to of [inside, new Float32Array(length), Float32Array.from(u)]) {
      combine(to, 0.3, u, -1.7, v);
      t.deepEqual(to, expected);
    }
    combine(u, 0.3, u, -1.7, v);
    t.deepEqual(u, expected);
    const sum = expected.reduce((total, value) => total + value ** 2, 0);
    const product = expected.reduce((total, value, i) => total + value * (v[i] ?? Number.NaN), 0);
    const size = Math.sqrt(sum) * norm(v);
    for (const array of [inside, expected]) {
      t.true(Math.abs(sumOfSquares(array) / sum - 1) < 1e-12);
      t.true(Math.abs(dot(array, v) - product) < 1e-12 * size);
      t.true(Math.abs(dot(v, array) - product) < 1e-12 * size);
    }
  }
});
