/** A user's own of everything, in one file: what a program of theirs looks like. */
import test from 'ava';
import * as og from '../../src/index.ts';

const { add, div, mul, norm, over, sign, sub } = og.step;

/** Lion (Chen et al. 2023): the sign of a moving average is the step. */
const lion: og.UpdateRule<'mu', never> = {
  name: 'lion',
  slots: ['mu'],
  scalars: () => ({}),
  next({ theta, g, mu }, { learningRate, weightDecay }) {
    const step = sign(add(mul(0.9, mu), mul(0.1, g)));
    const decayed = sub(theta, mul(mul(learningRate, weightDecay), theta));
    return { theta: sub(decayed, mul(learningRate, step)), mu: add(mul(0.99, mu), mul(0.01, g)) };
  },
};

/** The mean of the gradients a distance ahead and behind: the curvature along the gradient cancels. */
const both: og.Regularizer<'rho'> = {
  name: 'both',
  scalars: ['rho'],
  gradient(d, { rho }) {
    const g = d.gradient();
    const step = mul(over(rho, norm(g)), g);
    return div(add(d.gradient(add(d.theta, step)), d.gradient(sub(d.theta, step))), 2);
  },
};

const count = 96;
const wave = (scale: number, size = 1) =>
  Float32Array.from({ length: count * size }, (_, i) => Math.sin(scale * i));
const image = { data: wave(0.3, 12), shape: [count, 3, 4] };
const age = wave(1.7);
const price = age.map((value, i) => 2 * value + (image.data[12 * i] ?? 0));
const kind = Int32Array.from(age, (value) => Number(value > 0));
const isPriced = Array.from({ length: count }, (_, i) => i % 3 !== 0);
const isKnown = Array.from({ length: count }, (_, i) => i % 4 !== 0);
const data = { image, age, price, kind, isPriced, isKnown };

const model = (scope: og.Scope, fields: { image: og.Value; age: og.Value }) => {
  const [batch = 0] = fields.image.shape;
  const pixels = og.dense(scope.sub('pixels'), og.reshape(fields.image, [batch, 12]), 8);
  const both = og.tanh(og.add(pixels, og.dense(scope.sub('age'), fields.age, 8)));
  return { price: og.dense(scope.sub('price'), both, 1), kind: og.dense(scope.sub('kind'), both, 2) };
};

const column = (mask: og.Value): og.Value => og.reshape(og.cast(mask, 'float32'), [mask.shape[0] ?? 0, 1]);

const options = {
  data,
  model,
  validation: 0.25,
  epochs: 30,
  batchSize: 24,
  verbose: false,
};

test('two inputs, two outputs, two terms with two masks, a metric of one, an optimizer and a regularizer', async (t) => {
  const run = await og.fit({
    ...options,
    loss: (out, f) => ({
      price: { each: og.huber(out.price, f.price), weight: column(f.isPriced) },
      kind: { each: og.crossEntropy(out.kind, f.kind), weight: og.cast(f.isKnown, 'float32') },
    }),
    metrics: {
      priceError: (out, f) => ({ each: og.mae(out.price, f.price), weight: column(f.isPriced) }),
      accuracy: og.accuracy({ logits: 'kind', labels: 'kind' }),
    },
    optimizer: { rule: lion, learningRate: 0.01, weightDecay: 0.1 },
    regularizer: { regularizer: both, strength: (step) => (step < 6 ? null : { rho: 0.05 }) },
  });
  const [first, last] = [run.history[0], run.history.at(-1)];
  t.true((last?.loss ?? 1) < 0.4 * (first?.loss ?? 0), `${first?.loss} ${last?.loss}`);
  const predicted = await run.predict({ image, age });
  t.deepEqual([predicted.price.length, predicted.kind.length], [count, 2 * count]);

  // What the graphs added up, by hand.
  const { loss, metrics } = await run.evaluate(data);
  const masked = (of: (i: number) => number, mask: readonly boolean[]): number => {
    const counted = mask.flatMap((counts, i) => (counts ? [of(i)] : []));
    return counted.reduce((sum, value) => sum + value, 0) / counted.length;
  };
  const error = (i: number): number => Math.abs((predicted.price[i] ?? Number.NaN) - (price[i] ?? 0));
  const huber = (i: number): number => (error(i) <= 1 ? error(i) ** 2 / 2 : error(i) - 0.5);
  const entropy = (i: number): number => {
    const [a = 0, b = 0] = predicted.kind.subarray(2 * i, 2 * i + 2);
    return Math.log(Math.exp(a) + Math.exp(b)) - (kind[i] === 1 ? b : a);
  };
  const near = (got: number | undefined, wanted: number) =>
    t.true(Math.abs((got ?? 0) - wanted) < 1e-5, `${got} ${wanted}`);
  near(loss, masked(huber, isPriced) + masked(entropy, isKnown));
  near(metrics.priceError, masked(error, isPriced));
  t.true((metrics.accuracy ?? 0) > 0.9);
});

test('masked terms see the same batch whatever it is cut into', async (t) => {
  const loss = (out: { price: og.Value; kind: og.Value }, f: { price: og.Value; isPriced: og.Value }) => ({
    price: { each: og.mse(out.price, f.price), weight: column(f.isPriced) },
  });
  const recipe = { ...options, loss, epochs: 4, optimizer: { rule: lion, learningRate: 0.01 } };
  const sgd = og.sgd({ learningRate: 0.05 });
  const whole = await og.fit({ ...recipe, optimizer: sgd });
  const cut = await og.fit({ ...recipe, optimizer: sgd, microBatch: 4 });
  whole.weights['price/kernel']?.data.forEach((value, i) => {
    t.true(Math.abs(value - (cut.weights['price/kernel']?.data[i] ?? Number.NaN)) < 1e-5);
  });
});

test('a loss may be a scalar of the whole batch, and ask its scope for variables', async (t) => {
  const run = await og.fit({
    ...options,
    epochs: 20,
    loss(out, f, scope) {
      // The log of a deviation that is learnt beside the model (Kendall & Gal 2017).
      const spread = scope.param('spread', [1], { kind: 'zeros' });
      const error = og.reduceMean(og.mul(og.mse(out.price, f.price), og.exp(og.neg(spread))));
      return og.add(error, og.reduceSum(spread));
    },
    optimizer: og.adam({ learningRate: 0.02 }),
  });
  t.true((run.weights.spread?.data[0] ?? 0) < -0.1);
});

test('a running statistic is kept, evaluated, exported and resumed with the weights', async (t) => {
  const running = (scope: og.Scope, { age }: { age: og.Value }) => {
    const mean = scope.state('mean', [1], { kind: 'zeros' });
    const ofBatch = og.reduceMean(age, { axes: [0] });
    scope.couplesExamples();
    scope.next(mean, og.add(og.mul(mean, 0.9), og.mul(ofBatch, 0.1)));
    return og.dense(scope.sub('out'), og.sub(age, scope.training ? ofBatch : mean), 1);
  };
  const recipe = {
    model: running,
    loss: (out: og.Value, { price }: { price: og.Value }) => og.mse(out, price),
    data: { age: age.map((value) => value + 5), price },
    batchSize: 24,
    verbose: false,
  };
  const whole = await og.fit({ ...recipe, epochs: 12 });
  const half = await og.fit({ ...recipe, epochs: 6 });
  const resumed = await og.fit({ ...recipe, epochs: 12, resume: await half.save() });
  t.deepEqual(await resumed.save(), await whole.save());
  const mean = whole.weights.mean?.data[0] ?? Number.NaN;
  t.true(Math.abs(mean - 5 * (1 - 0.9 ** 48)) < 0.1, String(mean));
  const [kernel = 0] = whole.weights['out/kernel']?.data ?? [];
  const [bias = 0] = whole.weights['out/bias']?.data ?? [];
  const [predicted = Number.NaN] = await whole.predict({ age: [2] });
  t.true(Math.abs(predicted - ((2 - mean) * kernel + bias)) < 1e-5);
});
