/**
 * Values, gradients and Hessian products against PyTorch 2.13. The numbers come from:
 *
 *     torch.set_default_dtype(torch.float64)
 *     wave = lambda k, *shape: torch.sin(1.3 * torch.arange(torch.Size(shape).numel()) + k).reshape(shape)
 *     def golden(f, *shapes):
 *         xs = [wave(k, *shape).requires_grad_() for k, shape in enumerate(shapes)]
 *         y = f(*xs)
 *         g = torch.autograd.grad((y * wave(9, *y.shape)).sum() + (y * y).sum() / 2, xs, create_graph=True)
 *         hg = torch.autograd.grad(sum((i * i).sum() for i in g) / 2, xs)     # the Hessian times g
 *         print(y, g, hg)
 *     golden(F.gelu, (2, 3))
 *     golden(lambda x: F.gelu(x, approximate="tanh"), (2, 3))
 *     golden(lambda x, s, b: F.layer_norm(x, (4,), s, b, 1e-5), (2, 4), (4,), (4,))
 *     golden(lambda x: F.softmax(x, -1), (2, 3))
 *     golden(lambda x: F.log_softmax(x, -1), (2, 3))
 *     golden(lambda x: F.cross_entropy(x, torch.tensor([2, 0]), label_smoothing=0.1), (2, 3))
 */
import test from 'ava';
import { affineLayerNorm, gelu, geluTanh } from '../../src/autodiff/functions.ts';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import { crossEntropy } from '../../src/losses/cross-entropy.ts';
import * as ops from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import type { Value } from '../../src/onnx/value.ts';
import { run } from '../_run.ts';

interface Golden {
  readonly shapes: readonly (readonly number[])[];
  readonly f: (...x: Value[]) => Value;
  readonly y: readonly number[];
  readonly gradient: readonly number[];
  readonly hessianTimesGradient: readonly number[];
}

const labels = ops.constant(Int32Array.of(2, 0), [2]);

const GOLDEN: Readonly<Record<string, Golden>> = {
  gelu: {
    shapes: [[2, 3]],
    f: gelu,
    y: [0.0, 0.80203332, 0.35925221, -0.16905294, -0.16652708, 0.12588028],
    gradient: [0.20605924, 0.036889637, -0.4065407, 0.0046277344, -0.041635594, 0.22234751],
    hessianTimesGradient: [0.11927182, 0.042892748, -0.19849002, 0.00035649006, -0.011505309, 0.1557996],
  },
  'gelu, tanh': {
    shapes: [[2, 3]],
    f: geluTanh,
    y: [0.0, 0.80189346, 0.35923297, -0.16910515, -0.16663873, 0.1258796],
    gradient: [0.20605924, 0.036727271, -0.40649509, 0.0046656398, -0.041342693, 0.22234291],
    hessianTimesGradient: [0.11927182, 0.042674606, -0.19848445, 0.00035887992, -0.011412577, 0.15578009],
  },
  'layer norm': {
    shapes: [[2, 4], [4], [4]],
    f: (x = labels, s = x, b = x) => affineLayerNorm(x, s, b, 1e-5),
    y: [0.63843058, 0.77140196, -1.2224402, 1.0418624, -0.39517836, -0.099387566, -1.5422307, -0.60219194],
    gradient: [
      1.5351081, -1.2544308, 0.84414565, -1.1248229, 0.15448177, -0.98953015, 0.12201335, 0.71303503,
      -1.2727235, 0.013010289, -4.0691775, -2.2715271, 1.6533974, 0.11079607, -4.4750666, 0.085831175,
    ],
    hessianTimesGradient: [
      2.3902804, -12.709784, 11.166787, -0.84728391, 5.3759881, -8.5875642, 5.9548681, -2.743292, -4.4989783,
      -1.979878, -18.862503, -11.638713, 7.9841424, -2.3771846, -16.785525, 3.676807,
    ],
  },
  softmax: {
    shapes: [[2, 3]],
    f: (x) => ops.softmax(x),
    y: [0.18884016, 0.49495118, 0.31620866, 0.23315564, 0.1917165, 0.57512786],
    gradient: [0.14779791, -0.045056306, -0.10274161, -0.057751401, 0.073124209, -0.015372809],
    hessianTimesGradient: [
      0.02664112, -0.017799949, -0.0088411716, -0.0014360508, 0.0076267539, -0.0061907031,
    ],
  },
  'log-softmax': {
    shapes: [[2, 3]],
    f: (x) => ops.logSoftmax(x),
    y: [-1.6668543, -0.70329615, -1.151353, -1.4560491, -1.6517375, -0.55316291],
    gradient: [-0.3672061, 0.85523877, -0.48803267, -0.6321907, -0.24555012, 0.87774081],
    hessianTimesGradient: [-0.95683612, 2.477106, -1.5202699, -1.1933139, -0.60428939, 1.7976033],
  },
  'cross-entropy': {
    shapes: [[2, 3]],
    f: (x) => ops.reduceMean(crossEntropy(x, labels, { smoothing: 0.1 })),
    y: [1.2930385],
    gradient: [0.13258177, 0.39356544, -0.52614721, -0.59695642, 0.13503408, 0.46192235],
    hessianTimesGradient: [0.060036936, 0.28392288, -0.34395982, -0.36191645, 0.045339688, 0.31657676],
  },
};

const wave = (k: number, shape: readonly number[]) =>
  Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(1.3 * i + k));

for (const [name, { shapes, f, ...expected }] of Object.entries(GOLDEN)) {
  test(`${name}: PyTorch's value, gradient and Hessian times gradient`, async (t) => {
    const xs = shapes.map((shape, k) => ops.input(`x${k}`, shape));
    const y = f(...xs);
    const weights = ops.input('weights', y.shape);
    const loss = ops.add(ops.reduceSum(ops.mul(y, weights)), ops.mul(ops.reduceSum(ops.mul(y, y)), 0.5));
    const gradient = grad(loss, xs);
    const named = (prefix: string, values: readonly Value[]) =>
      Object.fromEntries(values.map((value, k) => [`${prefix}${k}`, value]));
    const out = await run(
      { y, ...named('g', gradient), ...named('hg', hvp(gradient, xs, gradient)) },
      {
        weights: wave(9, y.shape.map(Number)),
        ...Object.fromEntries(shapes.map((shape, k) => [`x${k}`, wave(k, shape)])),
      },
    );
    const flat = (prefix: string) => shapes.flatMap((_, k) => [...(out[`${prefix}${k}`] ?? [])]);
    const got = { y: [...(out.y ?? [])], gradient: flat('g'), hessianTimesGradient: flat('hg') };
    for (const what of ['y', 'gradient', 'hessianTimesGradient'] as const) {
      t.is(got[what].length, expected[what].length);
      const error = Math.hypot(...expected[what].map((x, i) => (got[what][i] ?? Number.NaN) - x));
      t.true(error < 2e-6 * Math.hypot(...expected[what]), `${what}: ${error}, ${got[what]}`);
    }
  });
}
