/** Einstein sums against a plain evaluation of their definition. */
import test from 'ava';
import fc from 'fast-check';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/random.ts';
import { graphOf, run } from '../_run.ts';

const SIZES: Readonly<Record<string, number>> = { i: 1, j: 2, k: 3, B: 2, m: 4, Z: 3 };
const shapeOf = (letters: string): number[] => [...letters].map((letter) => SIZES[letter] ?? 0);

/** The sum over every assignment of the letters, one after the other. */
function plainly(
  left: string,
  right: string,
  result: string,
  a: Float32Array,
  b: Float32Array,
): Float32Array {
  const letters = [...new Set(left + right)];
  const sums = new Float32Array(sizeOf(shapeOf(result)));
  const index = (of: string, at: Readonly<Record<string, number>>): number =>
    [...of].reduce((sum, letter) => sum * (SIZES[letter] ?? 0) + (at[letter] ?? 0), 0);
  const visit = (at: Readonly<Record<string, number>>, rest: readonly string[]): void => {
    const [letter, ...others] = rest;
    if (letter === undefined) {
      const to = index(result, at);
      sums[to] = (sums[to] ?? 0) + (a[index(left, at)] ?? 0) * (b[index(right, at)] ?? 0);
      return;
    }
    for (let i = 0; i < (SIZES[letter] ?? 0); i++) visit({ ...at, [letter]: i }, others);
  };
  visit({}, letters);
  return sums;
}

const letters = Object.keys(SIZES);
const words = (from: readonly string[]) => fc.shuffledSubarray([...from]).map((some) => some.join(''));
/** Two operands, and the letters behind the arrow, or none. */
const equations = fc
  .tuple(words(letters), words(letters))
  .chain(([left, right]) =>
    fc.tuple(
      fc.constant(left),
      fc.constant(right),
      fc.option(words([...new Set(left + right)]), { nil: undefined }),
    ),
  );

test('any equation of two operands gives what its definition says', async (t) => {
  const random = new Random(1, 'sample');
  const draw = (count: number) => Float32Array.from({ length: count }, () => random.uniform() - 0.5);
  await fc.assert(
    fc.asyncProperty(equations, async ([left, right, explicit]) => {
      const [a, b] = [shapeOf(left), shapeOf(right)];
      const data = { a: draw(sizeOf(a)), b: draw(sizeOf(b)) };
      const equation = `${left}, ${right}${explicit === undefined ? '' : ` -> ${explicit}`}`;
      const y = ops.einsum(equation, ops.input('a', a), ops.input('b', b));
      // numpy: without an arrow, what occurs once, upper case first.
      const both = left + right;
      const implied = [...both].filter((letter) => both.split(letter).length === 2).sort();
      const result = explicit ?? implied.join('');
      t.deepEqual(y.shape, shapeOf(result), equation);
      const got = (await run({ y }, data)).y ?? [];
      const expected = plainly(left, right, result, data.a, data.b);
      t.true(
        expected.every((x, i) => Math.abs(x - (got[i] ?? Number.NaN)) < 1e-5),
        `${equation}: got ${got}, expected ${expected}`,
      );
    }),
    { numRuns: 150, seed: 7 },
  );
});

test('an operand that lies the other way round is transposed by the product', (t) => {
  const [q, k] = [ops.input('q', ['batch', 2, 5, 4]), ops.input('k', ['batch', 2, 6, 4])];
  t.is(
    print(graphOf({ y: ops.einsum('bhqd,bhkd->bhqk', q, k) })),
    `test(q: float32[batch, 2, 5, 4], k: float32[batch, 2, 6, 4])
  y = MatMul(q, k, transA=false, transB=true, alpha=1) : float32[batch, 2, 5, 6]`,
  );
});

test('one operand of an unknown batch, and a matrix', async (t) => {
  const [x, w] = [ops.input('x', ['batch', 2, 3]), ops.input('w', [3, 2])];
  const y = ops.einsum('btc,cd->dbt', x, w);
  t.deepEqual(y.shape, [2, 'batch', 2]);
  const data = { x: Float32Array.from({ length: 12 }, (_, i) => i), w: Float32Array.of(1, 0, 0, 1, 1, 0) };
  // d = 0: x₀ + x₂, d = 1: x₁, of the four rows.
  t.deepEqual(await run({ y }, data), { y: Float32Array.of(2, 8, 14, 20, 1, 4, 7, 10) });
});

test('what cannot be meant is refused in one line', (t) => {
  const [a, b] = [ops.input('a', [2, 3]), ops.input('b', [3, 4])];
  const said = (equation: string, left = a): string | undefined =>
    t.throws(() => ops.einsum(equation, left, b))?.message;
  const expected = 'expected letters for two operands, as in "ij,jk->ik"';
  for (const equation of ['ij', 'ij,jk,kl->il', '...j,jk->...k', 'ij,jk->i1', 'ij->jk'])
    t.is(said(equation), `einsum "${equation}": ${expected}`);
  t.is(said('ii,jk'), 'einsum "ii,jk": expected every letter once in "ii", got "i" again');
  t.is(said('ij,jk->ikk'), 'einsum "ij,jk->ikk": expected every letter once in "ikk", got "k" again');
  t.is(said('ij,jk->iz'), 'einsum "ij,jk->iz": expected letters of the operands behind "->", got "z"');
  t.is(said('ijl,jk'), 'einsum "ijl,jk": expected rank 3 for "ijl", got float32 [2, 3]');
  t.is(said('ij,ik'), 'einsum "ij,ik": expected one size for "i", got 2 and 3');
  t.is(
    said('ij,jk', ops.cast(a, 'int32')),
    'einsum "ij,jk": expected float32, got int32 [2, 3]; cast() it first',
  );
});
