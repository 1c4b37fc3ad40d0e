/** The same Vision Transformer in TensorFlow.js, for `npm run bench:web`: the interface is in scripts/bench/web/page.ts. */
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';

/** A maximum to shift by: the result does not depend on it, so it needs no derivative. */
const shiftOf = tf.customGrad((x, save) => {
  save([x]);
  return { value: tf.max(x, -1, true), gradFunc: (_, [saved]) => tf.zerosLike(saved) };
});

/**
 * Some functions of TensorFlow.js save their output to compute their derivative: exp, softmax and logSoftmax. Their second
 * derivatives are lost (https://github.com/tensorflow/tfjs/issues/3252). expm1 saves its input, so it is used instead.
 */
const writtenOut = {
  softmax(x) {
    const powers = tf.add(tf.expm1(tf.sub(x, shiftOf(x))), 1);
    return tf.div(powers, tf.sum(powers, -1, true));
  },
  logSoftmax(x) {
    const shifted = tf.sub(x, shiftOf(x));
    return tf.sub(shifted, tf.log(tf.sum(tf.add(tf.expm1(shifted), 1), -1, true)));
  },
};

function logitsOf(p, images, { patch, width, heads, pool }, softmax) {
  const [batch, channels, rows, columns] = images.shape;
  const linear = (name, x) =>
    tf.add(tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)]), p[`${name}/kernel`]), p[`${name}/bias`]);
  const norm = (name, x) => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const deviation = tf.sqrt(tf.add(tf.mean(tf.mul(centred, centred), -1, true), 1e-6));
    return tf.add(tf.mul(tf.div(centred, deviation), p[`${name}/scale`]), p[`${name}/bias`]);
  };
  const grid = [batch, channels, rows / patch, patch, columns / patch, patch];
  const pieces = tf.transpose(tf.reshape(images, grid), [0, 2, 4, 1, 3, 5]);
  let x = tf.reshape(linear('embed', tf.reshape(pieces, [-1, channels * patch ** 2])), [batch, -1, width]);
  if (pool === 'class') x = tf.concat([tf.tile(tf.reshape(p.cls, [1, 1, width]), [batch, 1, 1]), x], 1);
  x = tf.add(x, p.positions);
  const tokens = x.shape[1];
  const size = width / heads;
  for (let i = 0; `block${i}/norm1/scale` in p; i++) {
    const block = `block${i}`;
    const y = norm(`${block}/norm1`, x);
    const [query, key, value] = ['query', 'key', 'value'].map((name) =>
      tf.transpose(
        tf.reshape(linear(`${block}/attn/${name}`, y), [batch, tokens, heads, size]),
        [0, 2, 1, 3],
      ),
    );
    const weights = softmax(tf.mul(tf.matMul(query, key, false, true), size ** -0.5));
    const mixed = tf.reshape(tf.transpose(tf.matMul(weights, value), [0, 2, 1, 3]), [-1, width]);
    x = tf.add(x, tf.reshape(linear(`${block}/attn/out`, mixed), x.shape));
    const hidden = linear(`${block}/mlp/fc1`, norm(`${block}/norm2`, x));
    const active = tf.mul(tf.mul(hidden, 0.5), tf.add(tf.erf(tf.mul(hidden, Math.SQRT1_2)), 1));
    x = tf.add(x, tf.reshape(linear(`${block}/mlp/fc2`, active), x.shape));
  }
  x = norm('norm', x);
  return linear('head', pool === 'class' ? tf.slice(x, [0, 0, 0], [-1, 1, -1]) : tf.mean(x, 1));
}

export async function load(job, { weights, inputs }, variant) {
  const [backend = '', softmaxes] = variant.split(', ');
  setWasmPaths('./');
  setThreadsCount(job.threads);
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend} here`);
  const paths = weights.map(({ name }) => name);
  const values = weights.map(({ shape, data }) => tf.tensor(data, shape));
  const [images, labels] = ['images', 'labels'].map((wanted) => {
    const { shape, data } = inputs.find(({ name }) => name === wanted);
    return tf.tensor(data, shape);
  });
  const hot = tf.cast(tf.oneHot(tf.cast(labels, 'int32'), job.network.outputs), 'float32');
  const named = (list) => Object.fromEntries(paths.map((path, i) => [path, list[i]]));
  const { softmax, logSoftmax } = softmaxes === undefined ? tf : writtenOut;
  const logits = (list) => logitsOf(named(list), images, job.network.model, softmax);
  const loss = (...list) => {
    const likelihoods = logSoftmax(logits(list));
    return tf.neg(tf.mean(tf.sum(tf.mul(likelihoods, hot), 1)));
  };
  const normOf = (gradients) =>
    tf.sqrt(tf.addN(gradients.map((gradient) => tf.sum(tf.mul(gradient, gradient)))));

  /** Results by name: the caller's to dispose of. */
  const compute = () =>
    tf.tidy(() => {
      if (job.work === 'forward') return { logits: logits(values) };
      const clean = {};
      const penalized = (...list) => {
        const { value, grads } = tf.valueAndGrads(loss)(list);
        clean.loss = tf.keep(tf.clone(value));
        clean.grad_norm = tf.keep(normOf(grads));
        return tf.add(value, tf.mul(clean.grad_norm, job.lambda));
      };
      if (job.work === 'exact') {
        const { grads } = tf.valueAndGrads(penalized)(values);
        return { ...clean, ...gradients(grads) };
      }
      const { value, grads } = tf.valueAndGrads(loss)(values);
      return { loss: value, grad_norm: normOf(grads), ...gradients(grads) };
    });
  const gradients = (list) => Object.fromEntries(paths.map((path, i) => [`grad/${path}`, list[i]]));
  return {
    async run() {
      const results = compute();
      await (results.loss ?? results.logits).data();
      tf.dispose(results);
    },
    async results() {
      const results = compute();
      const read = async ([name, tensor]) => ({ name, shape: tensor.shape, data: await tensor.data() });
      const tensors = await Promise.all(Object.entries(results).map(read));
      tf.dispose(results);
      return tensors;
    },
  };
}
