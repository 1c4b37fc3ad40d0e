/**
 * The same Vision Transformer in jax-js, for `npm run bench:web`. The interface is in scripts/bench/web/page.ts. In jax-js
 * a function uses up the arrays that it takes; `.ref` keeps an array for another use.
 */
import {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  linearize,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
  vjp,
} from '@jax-js/jax';

function logitsOf(p, images, { patch, width, heads, pool }) {
  const [batch, channels, rows, columns] = images.shape;
  const linear = (name, x) => np.matmul(x, p[`${name}/kernel`]).add(p[`${name}/bias`]);
  const norm = (name, x) => {
    const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
    const variance = np.mean(np.square(centred.ref), -1, { keepdims: true });
    return centred
      .div(np.sqrt(variance.add(1e-6)))
      .mul(p[`${name}/scale`])
      .add(p[`${name}/bias`]);
  };
  let x = images
    .reshape([batch, channels, rows / patch, patch, columns / patch, patch])
    .transpose([0, 2, 4, 1, 3, 5])
    .reshape([batch, -1, channels * patch ** 2]);
  x = linear('embed', x);
  if (pool === 'class')
    x = np.concatenate([np.broadcastTo(p.cls.reshape([1, 1, width]), [batch, 1, width]), x], 1);
  x = x.add(p.positions);
  const tokens = x.shape[1];
  const size = width / heads;
  for (let i = 0; `block${i}/norm1/scale` in p; i++) {
    const block = `block${i}`;
    const y = norm(`${block}/norm1`, x.ref);
    const [query, key, value] = ['query', 'key', 'value'].map((name) =>
      linear(`${block}/attn/${name}`, y.ref).reshape([batch, tokens, heads, size]).transpose([0, 2, 1, 3]),
    );
    y.dispose();
    const scores = np.matmul(query, key.transpose([0, 1, 3, 2])).mul(size ** -0.5);
    const mixed = np.matmul(nn.softmax(scores, -1), value).transpose([0, 2, 1, 3]);
    x = x.add(linear(`${block}/attn/out`, mixed.reshape([batch, tokens, width])));
    const hidden = linear(`${block}/mlp/fc1`, norm(`${block}/norm2`, x.ref));
    x = x.add(linear(`${block}/mlp/fc2`, nn.gelu(hidden, { approximate: false })));
  }
  x = norm('norm', x);
  return linear('head', pool === 'class' ? x.slice([], 0) : np.mean(x, 1));
}

export async function load(job, { weights, inputs }, variant) {
  const [backend, mode] = variant.split(', ');
  // Its reverse mode over reverse mode is wrong for some products, as of a [2, 3] and a [3, 4] matrix (0.1.25).
  const isForward = mode !== undefined;
  await init(backend);
  defaultDevice(backend);
  const arrays = (tensors) =>
    Object.fromEntries(tensors.map(({ name, shape, data }) => [name, np.array(data).reshape(shape)]));
  const p = arrays(weights);
  const { images, labels } = arrays(inputs);
  const hot = nn.oneHot(labels, job.network.outputs);
  const loss = (parameters, pictures, wanted) =>
    np
      .mean(np.sum(nn.logSoftmax(logitsOf(parameters, pictures, job.network.model), -1).mul(wanted), 1))
      .neg();
  const normOf = (gradients) =>
    np.sqrt(
      tree
        .leaves(gradients)
        .map((gradient) => np.sum(np.square(gradient)))
        .reduce((a, b) => a.add(b)),
    );
  const programs = {
    forward: (parameters, pictures, wanted) => {
      wanted.dispose();
      return { logits: logitsOf(parameters, pictures, job.network.model) };
    },
    gradient: (...given) => {
      const [value, grad] = valueAndGrad(loss)(...given);
      return { loss: value, grad_norm: normOf(tree.ref(grad)), grad };
    },
    /** g + λ·H·g/‖g‖, from the derivative of the gradient. */
    exact(parameters, pictures, wanted) {
      const both = (at) => valueAndGrad(loss)(at, pictures.ref, wanted.ref);
      const [[value, gradient], derivative] = (isForward ? linearize : vjp)(both, [parameters]);
      const size = normOf(tree.ref(gradient));
      const direction = tree.map((array) => array.mul(job.lambda).div(size.ref), tree.ref(gradient));
      if (isForward) {
        const [, product] = derivative(direction);
        const grad = tree.map((one, other) => one.add(other), gradient, product);
        return { loss: value, grad_norm: size, grad };
      }
      const [grad] = derivative([np.onesLike(value.ref), direction]);
      tree.dispose(gradient);
      return { loss: value, grad_norm: size, grad };
    },
  };
  const program = jit(programs[job.work]);
  const compute = () => program(tree.ref(p), images.ref, hot.ref);
  return {
    async run() {
      const results = compute();
      await blockUntilReady(results);
      tree.dispose(results);
    },
    async results() {
      const { grad = {}, ...rest } = compute();
      const gradients = Object.entries(grad).map(([path, array]) => [`grad/${path}`, array]);
      return Promise.all(
        [...Object.entries(rest), ...gradients].map(async ([name, array]) => {
          const { shape } = array;
          return { name, shape, data: await array.data() };
        }),
      );
    },
  };
}
