/**
 * The kernels against the plain loops, which run on ordinary arrays. Moments must be the same to the last bit. Of
 * parameters, the l2 norm of the difference is held against that of the tensor: a float32 is stored to 6e-8 of itself,
 * so that one element rounded the other way is already beyond 1e-7 of itself, in either path.
 */
import test from 'ava';
import { kernelsForAny, kernelsOf, reserveArrays } from '../../src/optim/kernels/memory.ts';
import { assembleKernels } from '../../src/optim/kernels/module.ts';
import { createOptimizer, type OptimizerConfig } from '../../src/optim/optimizer.ts';
import { combine, dot, sumOfSquares } from '../../src/optim/vectors.ts';
import { Random } from '../../src/random.ts';

const random = new Random(0, 'sample');
const normals = (length: number, scale = 1): Float32Array =>
  Float32Array.from({ length }, () => scale * random.normal());

const norm = (values: Float32Array): number => Math.hypot(...values);
const distance = (a: Float32Array, b: Float32Array): number =>
  norm(a.map((x, i) => x - (b[i] ?? Number.NaN))) / norm(b);

const OPTIONS: Readonly<Record<string, Partial<OptimizerConfig>>> = {
  'as usual': {},
  'other betas': { beta1: 0.8, beta2: 0.99 },
  'a large epsilon': { epsilon: 1e-2 },
};

/** Parameters as they are at the start: zero biases, scales of one, kernels. */
const STARTS: Readonly<Record<string, (length: number) => Float32Array>> = {
  zeros: (length) => new Float32Array(length),
  ones: (length) => new Float32Array(length).fill(1),
  normals: (length) => normals(length, 0.05),
};

for (const name of ['adamw', 'adam'] as const) {
  for (const [about, options] of Object.entries(OPTIONS)) {
    for (const [start, values] of Object.entries(STARTS)) {
      test(`${name}, ${about}, from ${start}: 100 steps as the plain loop takes them`, (t) => {
        const optimizer = createOptimizer({ optimizer: name, ...options });
        for (const length of [1, 4, 1027]) {
          const allocate = reserveArrays([length, 5], 3);
          const [param = [], mu = [], nu = []] = [allocate(), allocate(), allocate()].map(([array]) => array);
          if (!(param instanceof Float32Array && mu instanceof Float32Array && nu instanceof Float32Array))
            return t.fail();
          t.truthy(kernelsOf(param, mu, nu));
          param.set(values(length));
          for (let step = 1; step <= 100; step++) {
            const expected = [param, mu, nu].map((array) => Float32Array.from(array));
            const [plain = new Float32Array(), ...slots] = expected;
            const shared = {
              grad: normals(length, 1e-3),
              learningRate: step === 1 ? 0 : 1e-3,
              count: step,
              weightDecay: step % 3 === 0 ? 0 : 0.3,
              gradScale: step % 2 === 0 ? 0.37 : 1,
            };
            optimizer.update({ ...shared, param, slots: [mu, nu] });
            optimizer.update({ ...shared, param: plain, slots });
            t.deepEqual([mu, nu], slots);
            // The norm of a few elements is not much more than that of one.
            if (norm(plain) === 0) t.is(norm(param), 0);
            else t.true(distance(param, plain) < (length > 4 ? 1e-7 : 4e-7), `${distance(param, plain)}`);
          }
        }
      });
    }
  }
}

test('AdamW strays from the plain loop by less than 1e-7 in 100 steps', (t) => {
  const optimizer = createOptimizer({ optimizer: 'adamw' });
  for (const values of Object.values(STARTS)) {
    const allocate = reserveArrays([3001], 3);
    const sets = [allocate(), allocate(), allocate()].flat();
    const plain = sets.map(({ length }) => new Float32Array(length));
    const start = values(3001);
    sets[0]?.set(start);
    plain[0]?.set(start);
    for (let step = 1; step <= 100; step++) {
      const grad = normals(3001, 1e-3);
      for (const [param, ...slots] of [sets, plain]) {
        if (param)
          optimizer.update({
            param,
            grad,
            slots,
            learningRate: 1e-3,
            count: step,
            weightDecay: 0.3,
            gradScale: 1,
          });
      }
    }
    const [a, b] = [sets[0], plain[0]];
    if (!a || !b) return t.fail();
    t.true(distance(a, b) < 1e-7, `${distance(a, b)}`);
    t.deepEqual(sets.slice(1), plain.slice(1));
  }
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

test('combinations and sums are those of the plain loops, wherever the arrays lie', (t) => {
  for (const length of [1, 3, 16, 40_001]) {
    const [inside = new Float32Array()] = reserveArrays([length], 1)();
    const [x, y] = [normals(length), normals(length)];
    const expected = x.map((value, i) => 0.3 * value - 1.7 * (y[i] ?? Number.NaN));
    for (const to of [inside, new Float32Array(length), Float32Array.from(x)]) {
      combine(to, 0.3, x, -1.7, y);
      t.deepEqual(to, expected);
    }
    combine(x, 0.3, x, -1.7, y);
    t.deepEqual(x, expected);
    const sum = expected.reduce((total, value) => total + value ** 2, 0);
    const product = expected.reduce((total, value, i) => total + value * (y[i] ?? Number.NaN), 0);
    const size = Math.sqrt(sum) * norm(y);
    for (const array of [inside, expected]) {
      t.true(Math.abs(sumOfSquares(array) / sum - 1) < 1e-12);
      t.true(Math.abs(dot(array, y) - product) < 1e-12 * size);
      t.true(Math.abs(dot(y, array) - product) < 1e-12 * size);
    }
  }
});

test('a set beyond those reserved is of ordinary arrays', (t) => {
  const allocate = reserveArrays([4], 1);
  const [[first], [second]] = [allocate(), allocate()];
  t.truthy(first && kernelsOf(first));
  t.is(second && kernelsOf(second), undefined);
  t.is(first && second && kernelsOf(first, second), undefined);
});

test('the module is compiled once, and small enough for the main thread of any browser', (t) => {
  const { Module } = WebAssembly;
  t.truthy(kernelsForAny());
  WebAssembly.Module = class extends Module {
    constructor(bytes: BufferSource) {
      super(bytes);
      t.fail('compiled again');
    }
  };
  try {
    const [array = new Float32Array()] = reserveArrays([8], 1)();
    combine(array, 1, array, 1, array);
    t.is(sumOfSquares(array), 0);
  } finally {
    WebAssembly.Module = Module;
  }
  t.true(assembleKernels().length < 4096);
});
