/** The drivers of reverse and forward mode. */
import test from 'ava';
import { elementwiseComposite } from '../../src/autodiff/composite.ts';
import { clip, gelu, stopGradient } from '../../src/autodiff/functions.ts';
import { grad, hvp, jvp, vjp } from '../../src/autodiff/grad.ts';
import { normJacobian, softmaxJacobian } from '../../src/autodiff/jacobians.ts';
import { softmaxCrossEntropy } from '../../src/losses/cross-entropy.ts';
import { inlineCalls, topologicalOrder, unordered } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { read } from '../../src/onnx/read.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { sizeOf, staticShape } from '../../src/onnx/shapes.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { finish } from '../../src/passes/finish.ts';
import { graphOf, run } from '../_run.ts';

const data = (length: number, phase = 0) =>
  Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase));

test('a gradient has only the nodes that it needs', (t) => {
  const [x, w] = [ops.input('x', [3]), ops.input('w', [3])];
  const [gradient = x] = grad(ops.reduceSum(ops.mul(ops.exp(x), w)), [w]);
  t.deepEqual(
    topologicalOrder([gradient]).map(({ op }) => op),
    ['Input', 'Exp'],
  );
});

test('zeros where there is no dependence; none from vjp and jvp', async (t) => {
  const [x, z] = [ops.input('x', [3]), ops.input('z', [2, 2])];
  const y = ops.reduceSum(ops.exp(x));
  const [, zero = y] = grad(y, [x, z]);
  t.deepEqual((await run({ zero }, {})).zero, new Float32Array(4));
  t.is(vjp([y], [z], [ops.scalar(1)])[0], undefined);
  t.is(jvp([y], [z], [z])[0], undefined);
});

test('the gradient with respect to a value in between, and with respect to what it came from', async (t) => {
  const x = ops.input('x', [3]);
  const h = ops.exp(x);
  const [byH = h, byX = h] = grad(ops.reduceSum(ops.mul(h, h)), [h, x]);
  const out = await run({ byH, byX, h }, { x: data(3) });
  out.h?.forEach((e, i) => {
    t.true(Math.abs((out.byH?.[i] ?? 0) - 2 * e) < 1e-5);
    t.true(Math.abs((out.byX?.[i] ?? 0) - 2 * e * e) < 1e-4);
  });
});

test('a value used many times gets the sum of its cotangents', async (t) => {
  const x = ops.input('x', []);
  const y = ops.add(ops.mul(x, x), ops.add(ops.mul(x, 3), ops.div(x, 2)));
  const [gradient = x] = grad(y, [x]);
  t.deepEqual((await run({ gradient }, { x: Float32Array.of(2) })).gradient, Float32Array.of(7.5));
});

test('a graph may be tens of thousands of nodes deep', (t) => {
  const x = ops.input('x', [2]);
  let y = x;
  for (let i = 0; i < 20_000; i++) y = ops.tanh(y);
  const loss = ops.reduceSum(y);
  const [gradient = x] = grad(loss, [x]);
  t.true(topologicalOrder([gradient]).length > 60_000);
  const [tangent = x] = jvp([loss], [x], [x]);
  const graph = finish(graphOf({ loss, gradient, tangent }), { target: 'cpu' });
  t.is(print(read(serialize(graph)).graph), print(unordered(graph)));
});

test('a value is differentiated once however many paths lead through it', (t) => {
  const size = (doublings: number): number => {
    const x = ops.input('x', [2]);
    let y = x;
    for (let i = 0; i < doublings; i++) y = ops.mul(y, ops.exp(y));
    const [gradient = x] = grad(ops.reduceSum(y), [x]);
    return topologicalOrder([gradient]).length;
  };
  const [at10, at20, at40] = [size(10), size(20), size(40)];
  t.is(at40 - at20, 2 * (at20 - at10));
});

test('a rule that gives a wrong shape is named', (t) => {
  const broken = elementwiseComposite(
    'broken',
    (x) => ops.exp(x),
    (x) => ops.reshape(x, [3, 1]),
  );
  const x = ops.input('x', [3]);
  t.throws(() => grad(ops.reduceSum(broken(x)), [x]), {
    message: 'internal: rule of broken: cotangent 0: expected float32[3], got float32[3, 3]',
  });
  t.throws(() => jvp([broken(x)], [x], [x]), {
    message: 'internal: rule of broken: tangent 0: expected float32[3], got float32[3, 3]',
  });
});

test('a cotangent or tangent must have the type of its value', (t) => {
  const [x, row] = [ops.input('x', [2, 3]), ops.input('row', [3])];
  const y = ops.exp(x);
  t.throws(() => grad(y, [x]), { message: 'grad: expected a float32 scalar, got float32[2, 3]' });
  t.throws(() => grad(ops.cast(ops.reduceSum(y), 'int32'), [x]), {
    message: 'grad: expected a float32 scalar, got int32[]',
  });
  t.throws(() => vjp([y], [x], [row]), {
    message: 'vjp: cotangent 0: expected float32[2, 3], got float32[3]',
  });
  t.throws(() => jvp([y], [x], [row]), { message: 'jvp: tangent 0: expected float32[2, 3], got float32[3]' });
  t.throws(() => vjp([y], [x], [y, y]), { message: 'vjp: expected 1 cotangents, got 2' });
  t.throws(() => hvp(grad(ops.reduceSum(y), [x]), [x], []), {
    message: 'jvp: expected 1 tangents, got 0',
  });
});

/** A composite, and the same function in elementary ops: no composite, and no op whose rules call one. */
const COMPOSITES: Readonly<
  Record<
    string,
    { readonly shapes: readonly (readonly number[])[]; readonly f: Function2; readonly body: Function2 }
  >
> = {
  gelu: {
    shapes: [[7]],
    f: (x) => gelu(x),
    body: (x) => ops.mul(ops.mul(x, ops.add(ops.erf(ops.mul(x, Math.SQRT1_2)), 1)), 0.5),
  },
  'cross-entropy': {
    shapes: [
      [2, 4],
      [2, 4],
    ],
    f: softmaxCrossEntropy,
    body: (x, target) => {
      const total = (value: Value) => ops.reduceSum(value, { axes: [1], keepdims: true });
      const log = ops.sub(x, ops.log(total(ops.exp(x))));
      return ops.neg(ops.reduceSum(ops.mul(target, log), { axes: [1] }));
    },
  },
  'the Jacobian of softmax': {
    shapes: [
      [2, 4],
      [2, 4],
    ],
    f: (x, v) => softmaxJacobian(x, v, 1),
    body: (x, v) => {
      const total = (value: Value) => ops.reduceSum(value, { axes: [1], keepdims: true });
      const a = ops.div(ops.exp(x), total(ops.exp(x)));
      return ops.sub(ops.mul(a, v), ops.mul(a, total(ops.mul(a, v))));
    },
  },
  'the Jacobian of softmax over the first axis': {
    shapes: [
      [3, 2],
      [3, 2],
    ],
    f: (x, v) => softmaxJacobian(x, v, 0),
    body: (x, v) => {
      const total = (value: Value) => ops.reduceSum(value, { axes: [0], keepdims: true });
      const a = ops.div(ops.exp(x), total(ops.exp(x)));
      return ops.sub(ops.mul(a, v), ops.mul(a, total(ops.mul(a, v))));
    },
  },
  'the Jacobian of normalisation': {
    shapes: [
      [2, 4],
      [2, 4],
    ],
    f: (x, v) => normJacobian(x, v, 0.3),
    body: (x, v) => {
      const centred = (value: Value) => ops.sub(value, ops.reduceMean(value, last));
      const inverse = ops.reciprocal(
        ops.sqrt(ops.add(ops.reduceMean(ops.mul(centred(x), centred(x)), last), 0.3)),
      );
      const hat = ops.mul(centred(x), inverse);
      return ops.mul(inverse, ops.sub(centred(v), ops.mul(hat, ops.reduceMean(ops.mul(v, hat), last))));
    },
  },
  normalisation: {
    shapes: [[2, 4]],
    f: (x) => ops.layerNormalization(x, ops.full([4], 1), 0.3)[0],
    body: (x) => {
      const centred = ops.sub(x, ops.reduceMean(x, last));
      return ops.div(centred, ops.sqrt(ops.add(ops.reduceMean(ops.mul(centred, centred), last), 0.3)));
    },
  },
};
type Function2 = (x: Value, v: Value) => Value;
const last = { axes: [-1], keepdims: true };
const wave = ({ shape }: Value, phase: number) =>
  ops.constant(data(sizeOf(shape), phase), staticShape(shape));

/** y and its first three derivatives: each the gradient of the last one's, weighted so that nothing cancels. */
function reverse(y: Value, xs: readonly Value[]): Value[] {
  const all = [y];
  let latest: readonly Value[] = [y];
  for (let order = 1; order <= 3; order++) {
    const parts = latest.map((value, i) => ops.reduceSum(ops.mul(value, wave(value, order + i))));
    latest = grad(
      parts.reduce((sum, part) => ops.add(sum, part)),
      xs,
    );
    all.push(...latest);
  }
  return all;
}

/** y and its first three derivatives along directions. */
function forward(y: Value, xs: readonly Value[]): Value[] {
  const all = [y];
  for (let order = 1; order <= 3; order++) {
    const directions = xs.map((x, i) => wave(x, order + 2 * i));
    const [tangent] = jvp(all.slice(-1), xs, directions);
    all.push(tangent ?? ops.mul(y, 0));
  }
  return all;
}

for (const [name, { shapes, f, body }] of Object.entries(COMPOSITES)) {
  for (const mode of [reverse, forward]) {
    test(`${name}: its rules give what differentiating elementary ops gives, up to the third order, ${mode.name}`, async (t) => {
      const xs = shapes.map((shape, i) => ops.input(`x${i}`, shape));
      const [x = ops.scalar(0), v = x] = xs;
      t.false(topologicalOrder(inlineCalls([body(x, v)])).some((node) => isOp(node, 'Call')));
      const outputs = [f, body].flatMap((g, k) =>
        mode(g(x, v), xs).map((value, i): [string, Value] => [`${k}/${i}`, value]),
      );
      const feeds = shapes.map((shape, i): [string, Float32Array] => [
        `x${i}`,
        data(sizeOf(shape), i).map((value) => 2 * value),
      ]);
      const out = await run(Object.fromEntries(outputs), Object.fromEntries(feeds));
      const count = outputs.length / 2;
      t.is(count, mode === reverse ? 1 + 3 * xs.length : 4);
      for (let i = 0; i < count; i++) {
        const expected = out[`1/${i}`] ?? new Float32Array(0);
        const size = Math.max(1, ...expected.map(Math.abs));
        t.true(
          expected.some((value) => Math.abs(value) > 1e-3),
          `${i} is not zero`,
        );
        out[`0/${i}`]?.forEach((value, at) => {
          t.true(
            Math.abs(value - (expected[at] ?? Number.NaN)) < 1e-5 * size,
            `${i}: ${value}, ${expected[at]}`,
          );
        });
      }
    });
  }
}

test('a derivative passes through float16 and back, and not through integers', async (t) => {
  const x = ops.input('x', [2]);
  const half = ops.cast(ops.cast(ops.mul(x, x), 'float16'), 'float32');
  const whole = ops.cast(ops.cast(x, 'int32'), 'float32');
  const [gradient = x] = grad(ops.reduceSum(ops.add(half, whole)), [x]);
  const tangent = jvp([half], [x], [x])[0] ?? x;
  const out = await run({ gradient, tangent }, { x: Float32Array.of(1.5, -2) });
  t.deepEqual(out.gradient, Float32Array.of(3, -4));
  t.deepEqual(out.tangent, Float32Array.of(4.5, 8));
});

test('at a tie min and max give each operand half, what clip keeps passes all on, and nothing passes stopGradient', async (t) => {
  const x = ops.input('x', [3]);
  const [byMax = x] = grad(ops.reduceSum(ops.max(x, 1)), [x]);
  const [byClip = x] = grad(ops.reduceSum(clip(x, 0, 1)), [x]);
  const [stopped = x] = grad(ops.reduceSum(ops.mul(x, stopGradient(x))), [x]);
  const out = await run({ byMax, byClip, stopped }, { x: Float32Array.of(0.5, 1, 2) });
  t.deepEqual(out.byMax, Float32Array.of(0, 0.5, 1));
  t.deepEqual(out.byClip, Float32Array.of(1, 1, 0));
  t.deepEqual(out.stopped, Float32Array.of(0.5, 1, 2));
});
