/** What a user can get wrong is one line that says what, where and what to do, before anything is trained. */
import test, { type ExecutionContext } from 'ava';
import * as og from '../../src/index.ts';
import { sine, x, y } from './_sine.ts';

/** Runs `fit` as a caller without a compiler would. */
async function refusedLike(t: ExecutionContext, options: object, message: string | RegExp): Promise<void> {
  let steps = 0;
  const onStep = (): void => {
    steps++;
  };
  const error = await t.throwsAsync(og.fit({ ...sine, ...options, onStep }), undefined, String(message));
  t.false(error?.message.includes('\n'));
  if (typeof message === 'string') t.is(error?.message, message);
  else t.regex(error?.message ?? '', message);
  t.is(steps, 0);
}

const broken = y.slice();
broken[17] = Number.NaN;

test('arrays', async (t) => {
  await refusedLike(
    t,
    { data: { x, y: y.slice(1) } },
    'data: x has 200 examples and y has 199; expected a value of every field for each example',
  );
  await refusedLike(
    t,
    { data: { x, y: broken } },
    'data: y: example 17: expected finite numbers, got NaN; leave such examples out, or fill them in',
  );
  await refusedLike(t, { data: { x, y: ['a'] } }, 'data: y: example 0: expected a number, got "a"');
  await refusedLike(
    t,
    { data: { x, y: 'y' } },
    'data: y: expected a typed array, a list of numbers or {data, shape}, got "y"',
  );
  await refusedLike(
    t,
    { data: { x, y: { data: y, shape: [100, 3] } } },
    'data: y: shape [100,3] holds 300 elements, got 200',
  );
  await refusedLike(t, { data: {} }, 'data: expected arrays by the names of their fields, got {}');
  await refusedLike(t, { data: { x: [], y: [] } }, 'data: expected at least one example, got none');
  await refusedLike(
    t,
    { data: { x, y, 'hidden/kernel': y } },
    'data: hidden/kernel: a field cannot have this name, which the graphs use; call it otherwise',
  );
  await refusedLike(t, { data: { x, y: new Int32Array(200) } }, /^mse: expected a float32 target/);
});

test('validation', async (t) => {
  await refusedLike(
    t,
    { validation: 0.001 },
    'validation: 0.001 of 200 examples leaves none to validate with; give another share, or arrays',
  );
  await refusedLike(t, { validation: 0.999 }, /leaves none to train with/);
  await refusedLike(
    t,
    { validation: 1.5 },
    'validation: expected a share between 0 and 1, or arrays, got 1.5; leave it out to hold out nothing',
  );
  await refusedLike(t, { validation: { x } }, 'validation: expected the field y, got x');
  await refusedLike(
    t,
    { validation: { x, Y: y } },
    'validation: expected no fields but x, y, got "Y"; did you mean y?',
  );
  await refusedLike(
    t,
    { validation: { x, y: new Int32Array(200) } },
    'validation: y: expected float32 [batch, 1], as in data, got int32 [batch]',
  );
  await refusedLike(
    t,
    { earlyStopping: { patience: 2 } },
    'earlyStopping: there is nothing to judge by; give validation examples',
  );
  await refusedLike(
    t,
    { validation: 0.1, earlyStopping: { patience: 2, metric: 'mae' } },
    'earlyStopping: metric: expected one of loss, got "mae"',
  );
  await refusedLike(t, { judge: 'mae' }, 'judge: expected one of loss, got "mae"');
  await refusedLike(
    t,
    { keepBest: true },
    'keepBest: there is nothing to judge by; give validation examples',
  );
});

test('functions', async (t) => {
  await refusedLike(
    t,
    { model: (scope: og.Scope, { z }: { z: og.Value }) => og.dense(scope, z, 1) },
    'model: expected a field x, y, got "z"',
  );
  await refusedLike(
    t,
    { model: () => 1 },
    'model: expected it to return a value or a record of values, got 1',
  );
  await refusedLike(
    t,
    { model: async (scope: og.Scope, { x }: { x: og.Value }) => og.dense(scope, x, 1) },
    'model: expected it to return a value or a record of values, got a promise: models are not async',
  );
  await refusedLike(
    t,
    { model: (scope: og.Scope, { x }: { x: og.Value }) => ({ a: og.dense(scope, x, 1), b: 2 }) },
    'model: output b: expected a value, got 2',
  );
  await refusedLike(t, { model: 'mlp' }, 'model: expected a function, got "mlp"');
  await refusedLike(
    t,
    { loss: () => undefined },
    'loss: expected a value, {each, weight} or a record of them, got undefined',
  );
  await refusedLike(
    t,
    { loss: (_: og.Value, { y }: { y: og.Value }) => og.mse(y, y) },
    'loss: expected it to depend on a trainable variable, got none of hidden/kernel, hidden/bias, out/kernel, out/bias: there is nothing to learn',
  );
  await refusedLike(
    t,
    { loss: (out: og.Value, { y }: { y: og.Value }) => ({ each: og.mse(out, y), weight: out }) },
    /^loss loss: expected a weight of fields alone, .* got one that depends on (out|hidden)\/(kernel|bias)/,
  );
  await refusedLike(
    t,
    { metrics: { mean: (out: og.Value) => og.reduceMean(out) } },
    'metric mean: expected a float32 number for each example, whose mean is taken here, got float32 []',
  );
  await refusedLike(t, { metrics: { lr: (out: og.Value) => out } }, /^metric lr: a record already has a lr/);
});

test('numbers and names', async (t) => {
  await refusedLike(t, { batchSize: 0 }, 'batchSize: expected an integer ≥ 1, got 0');
  await refusedLike(t, { epochs: 0.5 }, 'epochs: expected an integer ≥ 1, got 0.5');
  await refusedLike(t, { microBatch: 5 }, 'microBatch: 5 does not divide the batch of 32');
  await refusedLike(t, { ema: 1 }, 'ema: expected a share below 1, got 1');
  await refusedLike(t, { learningRate: 1 }, /^fit: there is no option learningRate/);
  await refusedLike(t, { batchsize: 8 }, 'fit: there is no option batchsize; did you mean batchSize?');
  await refusedLike(
    t,
    { optimizer: 'adam' },
    'optimizer: expected adamw(), sgd(), … or {rule, learningRate}, got "adam"',
  );
  await refusedLike(t, { freeze: /^head\// }, /^freeze: \/\^head\\\/\/: finds none of the model's variables/);
  await refusedLike(
    t,
    { freeze: /./ },
    'task: expected at least one trainable variable, got none; freeze fewer',
  );
  await refusedLike(t, { groups: [{ match: /^head/ }] }, /^groups: \/\^head\/: finds none/);
  await refusedLike(t, { device: 'gpu' }, /^createSession: device|^device/);
  const own = { name: 'own', scalars: ['rho'], gradient: () => undefined };
  await refusedLike(
    t,
    { regularizer: { regularizer: own, strength: { r: 1 } } },
    /^regularizer: strength: rho.*: expected a finite number, got undefined/,
  );
  t.throws(() => og.exactGr({ lambda: -1 }), {
    message: 'grSchedule: lambda: expected a finite number ≥ 0, got -1',
  });
  t.throws(() => og.adamw({ learningRate: Number.NaN }), { instanceOf: og.UserError });
});

test('what is asked of a trained model', async (t) => {
  const run = await og.fit({ ...sine, epochs: 1 });
  const ask = (fields: object) =>
    og.fit({ ...sine, epochs: 1 }).then((again) => again.predict({ x, ...fields }));
  await t.throwsAsync(ask({ other: x }), { message: 'predict: expected no fields but x, got "other"' });
  await t.throwsAsync(run.predict({ x: new Int32Array(1) }), {
    message: 'predict: x: expected float32 [batch, 1], as in data, got int32 [batch]',
  });
  await t.throwsAsync(run.evaluate({ x: [], y: [] }), { message: /^evaluation: there are no examples/ });
  t.is((await run.predict({ x: [] })).length, 0);
  await t.throwsAsync(run.predict({ x }, { weights: {} }), {
    message: /^predict: weights: expected the model's 4 variables, got 4 variables missing/,
  });
});

test('a run that diverges says where, and what to try', async (t) => {
  const error = await t.throwsAsync(
    og.fit({ ...sine, optimizer: og.sgd({ learningRate: 1e6 }), data: { x, y: y.map((v) => 1e15 * v) } }),
    { instanceOf: og.DivergedError },
  );
  t.regex(error?.message ?? '', /^step \d+: .* is not finite.*; try a lower learningRate/);
});
