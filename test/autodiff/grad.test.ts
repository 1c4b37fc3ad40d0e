/** The drivers of reverse and forward mode. */
import test from 'ava';
import { elementwiseComposite } from '../../src/autodiff/composite.ts';
import { gelu } from '../../src/autodiff/functions.ts';
import { grad, hvp, jvp, vjp } from '../../src/autodiff/grad.ts';
import { inlineCalls, topologicalOrder, unordered } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { print } from '../../src/onnx/print.ts';
import { read } from '../../src/onnx/read.ts';
import { serialize } from '../../src/onnx/serialize.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { finish } from '../../src/passes/finish.ts';
import { graphOf, run } from '../_run.ts';

const data = (length: number, phase = 0) =>
  Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase));

test('nothing is written for what does not matter', (t) => {
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

test('what is given must have the type of what it belongs to', (t) => {
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

test("a composite's rules give what differentiating its body gives, up to the third derivative", async (t) => {
  const x = ops.input('x', [7]);
  const derivatives = (y: Value): Value[] => {
    const all = [y];
    for (let order = 1; order <= 3; order++) all.push(grad(ops.reduceSum(all.at(-1) ?? y), [x])[0] ?? y);
    return all;
  };
  const [body = x] = inlineCalls([gelu(x)]);
  t.false(topologicalOrder([body]).some((node) => isOp(node, 'Call')));
  const outputs = [derivatives(gelu(x)), derivatives(body)].flatMap((values, k) =>
    values.map((value, order): [string, Value] => [`${k}${order}`, value]),
  );
  const out = await run(Object.fromEntries(outputs), { x: Float32Array.of(-3, -1, -0.2, 0, 0.3, 1.5, 4) });
  for (let order = 0; order <= 3; order++) {
    out[`0${order}`]?.forEach((value, i) => {
      t.true(Math.abs(value - (out[`1${order}`]?.[i] ?? Number.NaN)) < 2e-6, `order ${order}`);
    });
  }
});
