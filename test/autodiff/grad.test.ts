/** The drivers of reverse and forward mode. */
import test from 'ava';
import { elementwiseComposite } from '../../src/autodiff/composite.ts';
import { gelu } from '../../src/autodiff/functions.ts';
import { grad, hvp, jvp, vjp } from '../../src/autodiff/grad.ts';
import { inlineCalls, topologicalOrder } from '../../src/onnx/graph.ts';
import * as ops from '../../src/onnx/ops.ts';
import { isOp, type Value } from '../../src/onnx/value.ts';
import { run } from '../_run.ts';

const data = (length: number, phase = 0) =>
  Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + phase));
const dot = (a: Value, b: Value): Value => ops.reduceSum(ops.mul(a, b));

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
  for (let i = 0; i < 20_000; i++) y = ops.add(y, x);
  const [gradient = x] = grad(ops.reduceSum(y), [x]);
  t.true(topologicalOrder([gradient]).length > 19_000);
});

test('a rule that gives a wrong shape is named', (t) => {
  const broken = elementwiseComposite(
    'broken',
    (x) => ops.exp(x),
    (x) => ops.reshape(x, [3, 1]),
  );
  const x = ops.input('x', [3]);
  t.throws(() => grad(ops.reduceSum(broken(x)), [x]), {
    message: 'internal: cotangent 0 of Call: expected float32[3], got float32[3, 3]',
  });
});

/** A small network with attention in it. */
function network(x: Value, w: Value): Value {
  const h = gelu(ops.matmul(x, w));
  const a = ops.softmaxOp(ops.matmul(h, h, { transB: true, alpha: 0.5 }));
  return ops.matmul(a, h);
}

test('reverse and forward mode are adjoint: ⟨c, J·t⟩ = ⟨Jᵀ·c, t⟩', async (t) => {
  const [x, w, c, tangent] = [
    ops.input('x', [4, 3]),
    ops.input('w', [3, 5]),
    ops.input('c', [4, 5]),
    ops.input('t', [3, 5]),
  ];
  const y = network(x, w);
  const [jt = y] = jvp([y], [w], [tangent]);
  const [jc = y] = vjp([y], [w], [c]);
  const out = await run(
    { left: dot(c, jt), right: dot(jc, tangent) },
    { x: data(12), w: data(15, 1), c: data(20, 2), t: data(15, 3) },
  );
  t.true(Math.abs((out.left?.[0] ?? 0) - (out.right?.[0] ?? 1)) < 1e-5);
});

test('the Hessian is symmetric: ⟨u, H·v⟩ = ⟨v, H·u⟩, and H·v is the gradient of ⟨g, v⟩', async (t) => {
  const [x, w, u, v] = [
    ops.input('x', [4, 3]),
    ops.input('w', [3, 5]),
    ops.input('u', [3, 5]),
    ops.input('v', [3, 5]),
  ];
  const loss = ops.reduceMean(ops.mul(network(x, w), network(x, w)));
  const g = grad(loss, [w]);
  const [hv = loss] = hvp(g, [w], [v]);
  const [hu = loss] = hvp(g, [w], [u]);
  const [reverse = loss] = grad(dot(g[0] ?? w, v), [w]);
  const outputs = { left: dot(u, hv), right: dot(v, hu), reverse: dot(reverse, u) };
  const out = await run(outputs, { x: data(12), w: data(15, 1), u: data(15, 2), v: data(15, 3) });
  const [left = 0, right = 1, third = 2] = [out.left?.[0], out.right?.[0], out.reverse?.[0]];
  t.true(Math.abs(left - right) < 1e-5 * (1 + Math.abs(left)), `${left} ${right}`);
  t.true(Math.abs(left - third) < 1e-5 * (1 + Math.abs(left)), `${left} ${third}`);
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
