import test from 'ava';
import { Random } from '../../../src/random.ts';
import { measureHessian } from '../../../src/run/diagnostics/hessian.ts';
import { largestOf, topEigenvalue } from '../../../src/run/diagnostics/lanczos.ts';
import { dotOf, type Operator, randomSigns } from '../../../src/run/diagnostics/vectors.ts';

/** A diagonal matrix, cut into arrays as parameters are. */
const diagonal =
  (...parts: readonly number[][]): Operator =>
  async (vector) =>
    vector.map((part, i) => part.map((x, k) => x * (parts[i]?.[k] ?? Number.NaN)));

const start = (...sizes: number[]) => randomSigns(sizes, new Random(3, 'probe'));
const OPTIONS = { tolerance: 1e-3, most: 40 };

test('the largest eigenvalue of a matrix with a wide spectrum, negative ones larger in size', async (t) => {
  const values = Array.from({ length: 1000 }, (_, i) => (i === 400 ? 50 : -80 + i / 10));
  const { value, error, products } = await topEigenvalue(
    diagonal(values.slice(0, 300), values.slice(300)),
    start(300, 700),
    OPTIONS,
  );
  t.true(Math.abs(value - 50) < 1e-3 * 50, `${value}`);
  t.true(error <= 1e-3 * 50);
  t.true(products < 40);
});

test('the error bounds the distance to an eigenvalue, however early it stops', async (t) => {
  const values = Array.from({ length: 500 }, (_, i) => Math.sqrt(i));
  for (const most of [1, 2, 5, 10]) {
    const { value, error, products } = await topEigenvalue(diagonal(values), start(500), {
      tolerance: 1e-6,
      most,
    });
    t.is(products, most);
    t.true(Math.min(...values.map((each) => Math.abs(each - value))) <= error);
  }
});

test('it ends where there is nothing more to find: a multiple of the identity, zero, a matrix of order one', async (t) => {
  const ended = (values: number[]) => topEigenvalue(diagonal(values), start(values.length), OPTIONS);
  t.like(await ended([3, 3, 3, 3]), { value: 3, products: 1 });
  t.like(await ended([0, 0, 0]), { value: 0, error: 0, products: 1 });
  t.like(await ended([-2]), { value: -2, products: 1 });
  t.true(Number.isNaN((await ended([1, Number.NaN])).value));
});

test('eigenvalues of tridiagonal matrices: those of the second difference are known', (t) => {
  // 2 on the diagonal and −1 beside it: 2 − 2·cos(kπ/(n + 1)).
  for (const n of [1, 2, 9, 40]) {
    const largest = largestOf(new Array(n).fill(2), new Array(n - 1).fill(-1));
    t.true(Math.abs(largest - (2 - 2 * Math.cos((n * Math.PI) / (n + 1)))) < 1e-13);
  }
  t.is(largestOf([-5, -7], [0]), -5);
});

test('random signs are ±1, evenly, and depend on the probe', (t) => {
  const [long = new Float32Array()] = start(100_000);
  t.true(long.every((x) => x === 1 || x === -1));
  t.true(Math.abs(long.reduce((sum, x) => sum + x, 0)) < 4 * Math.sqrt(100_000));
  const other = randomSigns([100_000], new Random(3, 'probe', 1));
  t.true(Math.abs(dotOf([long], other)) < 4 * Math.sqrt(100_000));
});

test('the trace of a diagonal matrix is exact with any signs; else the standard error says how far it may be', async (t) => {
  const exact = await measureHessian(diagonal([1, 2], [3]), [2, 1]);
  t.like(exact, { trace: 6, trace_error: 0 });
  // Ones everywhere: zᵀAz = (Σz)², whose mean is n and whose variance nears 2n².
  const ones: Operator = async (vector) => {
    const sum = vector.reduce((total, part) => part.reduce((s, x) => s + x, total), 0);
    return vector.map((part) => new Float32Array(part.length).fill(sum));
  };
  const { trace, trace_error, top_eigenvalue, products } = await measureHessian(ones, [60, 40], 200);
  t.true(Math.abs(trace - 100) < 3 * trace_error);
  t.true(trace_error > 7 && trace_error < 13);
  t.true(Math.abs(top_eigenvalue - 100) < 0.1);
  t.true(products <= 202);
});
