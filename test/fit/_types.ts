/** What the compiler knows of `fit`: fields follow from the arrays, predictions from the model. Never run. */
import * as og from '../../src/index.ts';

const x = new Float32Array(10);
const y = new Float32Array(10);
const age = [1, 2];
const model = (scope: og.Scope, { x }: { x: og.Value }) => og.dense(scope, x, 1);

export async function types(): Promise<unknown> {
  const run = await og.fit({ model, loss: (out, { y }) => og.mse(out, y), data: { x, y }, epochs: 1 });
  const p: Float32Array = await run.predict({ x });
  // Two inputs, two outputs, a loss of both.
  const two = await og.fit({
    model: (scope: og.Scope, f: { x: og.Value; age: og.Value }) => ({
      a: og.dense(scope.sub('a'), f.x, 1),
      b: og.dense(scope.sub('b'), f.age, 1),
    }),
    loss: (out, f) => ({ a: og.mse(out.a, f.y), b: { each: og.mse(out.b, f.y), weight: f.age } }),
    metrics: {
      error: (out, f) => og.mae(out.a, f.y),
      near: { each: (out, f) => og.neg(og.mae(out.b, f.y)), better: 'higher' },
      r2: og.r2({ prediction: 'a' }),
    },
    data: { x, y, age },
    epochs: 1,
  });
  const b: Float32Array = (await two.predict({ x, age })).b;
  await two.evaluate({ x, y, age });
  // A function with the loss's scope, and one that needs neither.
  await og.fit({
    model,
    loss: (out, { y }, scope) => og.mul(og.mse(out, y), scope.scalar('weight', 1)),
    data: { x: { data: x, shape: [5, 2] }, y: [1, 2, 3, 4, 5] },
    validation: { x, y },
    epochs: 1,
  });
  // Unannotated, a model is given all fields.
  const inline = await og.fit({
    data: { x, y },
    model: (scope, f) => og.dense(scope, f.x, 1),
    loss: (out, { y }) => og.mse(out, y),
    epochs: 1,
  });
  await inline.predict({ x, y });
  return [p, b];
}

export async function refused(): Promise<void> {
  // @ts-expect-error y is not in the data
  await og.fit({ model, loss: (out, { y }) => og.mse(out, y), data: { x, z: y }, epochs: 1 });
  // @ts-expect-error the model wants x
  await og.fit({ model, loss: (out, { y }) => og.mse(out, y), data: { X: x, y }, epochs: 1 });
  const named = (s: og.Scope, f: { x: og.Value }) => ({ a: og.dense(s, f.x, 1) });
  // @ts-expect-error no such output
  await og.fit({ model: named, loss: (out, { y }) => og.mse(out.c, y), data: { x, y }, epochs: 1 });
  // @ts-expect-error a record of fields is no target
  await og.fit({ model, loss: og.mse, data: { x, y }, epochs: 1 });
  // @ts-expect-error a loss is made of values
  await og.fit({ model, loss: () => 1, data: { x, y }, epochs: 1 });
  // @ts-expect-error validation has the fields of the data
  await og.fit({ model, loss: (o, { y }) => og.mse(o, y), data: { x, y }, validation: { x }, epochs: 1 });
  // @ts-expect-error there is no option epoch
  await og.fit({ model, loss: (o, { y }) => og.mse(o, y), data: { x, y }, epoch: 1 });
  // @ts-expect-error text is no field
  await og.fit({ model, loss: (o, { y }) => og.mse(o, y), data: { x, y: 'y' }, epochs: 1 });
  const run = await og.fit({ model, loss: (out, { y }) => og.mse(out, y), data: { x, y }, epochs: 1 });
  // @ts-expect-error predict wants x
  await run.predict({ y });
  // @ts-expect-error evaluate wants y, too
  await run.evaluate({ x });
  // @ts-expect-error one value has no names
  (await run.predict({ x })).a;
  const inline = await og.fit({
    data: { x, y },
    model: (scope, f) => og.dense(scope, f.x, 1),
    loss: (out, { y }) => og.mse(out, y),
    epochs: 1,
  });
  // @ts-expect-error an unannotated model is given all fields, so predict asks for all: annotate to narrow
  await inline.predict({ x });
}
