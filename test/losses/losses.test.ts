/**
 * Losses, their gradients and Hessian products against PyTorch. The numbers come from:
 *
 *     torch.set_default_dtype(torch.float64)                               # torch 2.14.1
 *     x = (2 * torch.sin(1.3 * torch.arange(6)).reshape(2, 3)).requires_grad_()
 *     target = torch.cos(0.7 * torch.arange(6)).reshape(2, 3)
 *     weight = torch.arange(1.0, 7).reshape(2, 3)
 *     def golden(f):
 *         y = f(x)
 *         g, = torch.autograd.grad((y * weight.flatten()[: y.numel()].reshape(y.shape)).sum() + (y * y).sum() / 2, x, create_graph=True)
 *         hg, = torch.autograd.grad((g * g).sum() / 2, x)                   # the Hessian times g
 *         print(y, g, hg)
 *     golden(lambda x: F.binary_cross_entropy_with_logits(x, target.abs(), reduction="none"))
 *     golden(lambda x: F.binary_cross_entropy_with_logits(x, (target > 0).double(), reduction="none"))
 *     golden(lambda x: F.mse_loss(x, target, reduction="none"))
 *     golden(lambda x: F.l1_loss(x, target, reduction="none"))
 *     golden(lambda x: F.huber_loss(x, target, reduction="none", delta=0.8))
 *     golden(lambda x: F.cross_entropy(x, torch.tensor([2, 0]), reduction="none", label_smoothing=0.2))
 *     golden(lambda x: F.cross_entropy(x, target.softmax(1), reduction="none"))
 *     golden(lambda x: F.cross_entropy(x, target.softmax(1), reduction="none", label_smoothing=0.2))
 */
import test from 'ava';
import { grad, hvp } from '../../src/autodiff/grad.ts';
import { UserError } from '../../src/errors.ts';
import { binaryCrossEntropy } from '../../src/losses/binary-cross-entropy.ts';
import { crossEntropy } from '../../src/losses/cross-entropy.ts';
import { huber, mae, mse } from '../../src/losses/regression.ts';
import {
  add,
  constant,
  greater,
  input,
  mul,
  reduceSum,
  reshape,
  scalar,
  softmax,
} from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import type { Value } from '../../src/onnx/value.ts';
import { run } from '../_run.ts';

const six = (f: (i: number) => number): Float32Array => Float32Array.from({ length: 6 }, (_, i) => f(i));
const data = { x: six((i) => 2 * Math.sin(1.3 * i)) };
const x = input('x', [2, 3]);
const target = constant(
  six((i) => Math.cos(0.7 * i)),
  [2, 3],
);
const shares = constant(
  six((i) => Math.abs(Math.cos(0.7 * i))),
  [2, 3],
);
const labels = constant(Int32Array.of(2, 0), [2]);

const LOSSES: Readonly<Record<keyof typeof GOLDEN, Value>> = {
  'binary cross-entropy': binaryCrossEntropy(x, shares),
  'binary cross-entropy of bool': binaryCrossEntropy(x, greater(target, 0)),
  mse: mse(x, target),
  mae: mae(x, target),
  huber: huber(x, target, { delta: 0.8 }),
  'cross-entropy of labels, smoothed': crossEntropy(x, labels, { smoothing: 0.2 }),
  'cross-entropy of a distribution': crossEntropy(x, softmax(target)),
  'cross-entropy of a distribution, smoothed': crossEntropy(x, softmax(target), { smoothing: scalar(0.2) }),
};

const GOLDEN = {
  'binary cross-entropy': {
    y: [Math.LN2, 0.58907649, 1.160784, 0.91973738, 1.8225602, 0.52832808],
    gradient: [-0.84657359, 0.27984736, 2.35976, -1.491264, -5.4327721, -2.1577803],
    hessianTimesGradient: [-0.56998682, 0.083638494, 2.6616269, -1.3184615, -8.0643964, -3.599334],
  },
  'binary cross-entropy of bool': {
    y: [Math.LN2, 0.13590002, 0.3050178, 0.22530525, 0.15773873, 0.93122918],
    gradient: [-0.84657359, -0.27140902, -0.8688553, 0.85236021, 0.75265389, 4.1998464],
    hessianTimesGradient: [-0.56998682, -0.068684902, -0.61649903, 0.61464522, 0.4998495, 8.4928528],
  },
  mse: {
    y: [1, 1.3508813, 0.74138231, 0.75809448, 0.6801086, 1.8678598],
    gradient: [-4, 7.7892856, 6.4429267, -8.2856145, -9.3686231, 21.505955],
    hessianTimesGradient: [-32, 94.291543, 67.317592, -103.97259, -131.91632, 499.09212],
  },
  mae: {
    y: [1, 1.1622742, 0.8610356, 0.87068621, 0.82468697, 1.3666967],
    gradient: [-2, 3.1622742, 3.8610356, -4.8706862, -5.824687, 7.3666967],
    hessianTimesGradient: [-2, 3.1622742, 3.8610356, -4.8706862, -5.824687, 7.3666967],
  },
  huber: {
    y: [0.48, 0.60981935, 0.36882848, 0.37654897, 0.33974958, 0.77335733],
    gradient: [-1.184, 2.0878555, 2.6950628, -3.5012392, -4.2717997, 5.4186859],
    hessianTimesGradient: [-0.75776, 1.3362275, 1.7248402, -2.2407931, -2.7339518, 3.467959],
  },
  'cross-entropy of labels, smoothed': {
    y: [1.3457584, 1.9547916],
    gradient: [0.063389174, 1.353385, -1.4167742, -2.9179001, 0.080891138, 2.837009],
    hessianTimesGradient: [-0.052745017, 2.2263172, -2.1735722, -5.5235881, -0.52568631, 6.0492744],
  },
  'cross-entropy of a distribution': {
    y: [1.481691, 1.6482214],
    gradient: [-0.88211627, 0.71620655, 0.16590971, -1.1194234, -0.70855447, 1.8279778],
    hessianTimesGradient: [-0.49205761, 0.62342306, -0.13136545, -1.5317797, -0.88658443, 2.4183641],
  },
  'cross-entropy of a distribution, smoothed': {
    y: [1.4616986, 1.634101],
    gradient: [-0.81799412, 0.72111419, 0.096879924, -1.0406931, -0.74360199, 1.7842951],
    hessianTimesGradient: [-0.44567391, 0.63089676, -0.18522285, -1.4290562, -0.88674464, 2.3158009],
  },
};

for (const [name, golden] of Object.entries(GOLDEN)) {
  test(`${name} is PyTorch's, to the second derivative`, async (t) => {
    const y = Object.entries(LOSSES).find(([each]) => each === name)?.[1] ?? x;
    const size = sizeOf(y.shape);
    const weight = constant(
      Float32Array.from({ length: size }, (_, i) => i + 1),
      [size],
    );
    const flat = reshape(y, [size]);
    const objective = reduceSum(add(mul(flat, weight), mul(mul(flat, flat), 0.5)));
    const gradient = grad(objective, [x]);
    const [g = x] = gradient;
    const [hessianTimesGradient = x] = hvp(gradient, [x], gradient);
    const got = await run({ y, gradient: g, hessianTimesGradient }, data);
    for (const [what, wanted] of Object.entries(golden)) {
      wanted.forEach((value, i) => {
        const result = got[what]?.[i] ?? Number.NaN;
        t.true(
          Math.abs(result - value) < 2e-6 * Math.max(1, Math.abs(value)),
          `${what} ${i}: ${result}, not ${value}`,
        );
      });
    }
  });
}

test('large logits overflow nowhere, and what is sure and right costs nothing', async (t) => {
  const logits = input('x', [4]);
  const isTrue = constant(Uint8Array.of(1, 0, 1, 0), [4], 'bool');
  const y = binaryCrossEntropy(logits, isTrue);
  const [gradient = y] = grad(reduceSum(y), [logits]);
  const got = await run({ y, gradient }, { x: Float32Array.of(1e4, -1e4, -1e4, 1e4) });
  t.deepEqual([...(got.y ?? [])], [0, 0, 1e4, 1e4]);
  t.deepEqual([...(got.gradient ?? [])].map(Math.abs), [0, 0, 1, 1]);
});

test('a target without the axis of 1 at the end is compared example by example', async (t) => {
  const prediction = input('x', ['batch', 1]);
  const y = input('y', ['batch']);
  const fed = { x: Float32Array.of(1, 2, 3), y: Float32Array.of(0, 0, 1) };
  const { loss } = await run({ loss: mse(prediction, y) }, fed);
  t.deepEqual([...(loss ?? [])], [1, 4, 4]);
  t.deepEqual(mse(y, prediction).shape, ['batch']);
});

for (const [name, wrong, message] of [
  [
    'other shapes',
    () => mse(x, input('y', [2, 1])),
    'mse: expected a float32 target of the shape of float32 [2, 3], got float32 [2, 1] for float32 [2, 3]',
  ],
  [
    'a target of integers',
    () => mae(x, input('y', [2, 3], 'int32')),
    'mae: expected a float32 target of the shape of float32 [2, 3], got int32 [2, 3] for float32 [2, 3]',
  ],
  [
    'labels of integers',
    () => binaryCrossEntropy(x, input('y', [2, 3], 'int32')),
    'binaryCrossEntropy: expected a bool or float32 target of the shape of float32 [2, 3], got int32 [2, 3] for float32 [2, 3]',
  ],
  ['a delta of 0', () => huber(x, x, { delta: 0 }), 'huber: expected a finite delta above 0, got 0'],
  [
    'a label for every logit',
    () => crossEntropy(x, input('y', [2, 3], 'int32')),
    'crossEntropy: expected float32 logits [..., classes] and int32 labels [...] or a float32 distribution [..., classes], got float32 [2, 3] and int32 [2, 3]',
  ],
  [
    'too much smoothing',
    () => crossEntropy(x, labels, { smoothing: 1.5 }),
    'crossEntropy: expected a smoothing from 0 to 1, got 1.5',
  ],
] as const) {
  test(`${name}: one clear line`, (t) => {
    t.throws(() => wrong(), { instanceOf: UserError, message });
  });
}
