/**
 * Optimizers against torch 2.13, in float64. The numbers come from:
 *
 *     torch.set_default_dtype(torch.float64)
 *     a = torch.arange(1, 7)
 *     p = torch.sin(a.double()).requires_grad_()
 *     optimizer = torch.optim.AdamW([p], lr=1e-2, weight_decay=0.1)
 *     for t in range(100):
 *         p.grad = torch.sin(0.5 * a * p.detach() + 0.1 * t)
 *         optimizer.step()            # p is printed after steps 1, 10 and 100
 *
 * and likewise Adam, SGD(momentum=0.9), SGD(momentum=0.9, nesterov=True), RMSprop(alpha=0.99) with momentum 0 and 0.9,
 * RAdam(decoupled_weight_decay=True) with betas (0.9, 0.999) and (0.9, 0.99). AdamW's other starts are its formula by hand:
 * without the two corrections, without the first, and with exp_avg_sq = grad² at the first step and without the second correction. AdaBelief
 * and Lion are optax's (0.2.8, JAX with jax_enable_x64):
 *
 *     optax.chain(optax.scale_by_belief(eps=1e-8, eps_root=1e-8),    # optax.scale_by_lion(b1=0.9, b2=0.99)
 *                 optax.add_decayed_weights(0.1), optax.scale_by_learning_rate(1e-2))
 */
import test from 'ava';
import { reserveArrays } from '../../src/step/loops/memory.ts';
import { createOptimizer, type OptimizerConfig, type OptimizerName } from '../../src/step/optimizer.ts';

const GOLDEN = {
  adamw: {
    1: [0.830629514, 0.89838813, 0.130978889, -0.746045693, -0.947965351, -0.269136083],
    10: [0.732018499, 0.7998466, 0.0392208453, -0.652538676, -0.848719441, -0.197027867],
    100: [0.446653564, 0.547857027, -0.262620693, -0.730707384, -0.783864961, -0.474650066],
  },
  adam: {
    1: [0.831470985, 0.899297427, 0.131120009, -0.746802495, -0.948924275, -0.269415498],
    10: [0.739932718, 0.808529809, 0.0400620249, -0.65933392, -0.857878338, -0.197949694],
    100: [0.45590822, 0.556017511, -0.260324462, -0.721242948, -0.777120943, -0.471342579],
  },
  sgd: {
    1: [0.836545195, 0.900497406, 0.138877861, -0.746062043, -0.951190912, -0.271701367],
    10: [0.542215829, 0.5017675, -0.0551192463, -0.407083895, -0.569304437, -0.133035323],
    100: [-1.70051889, -2.28231218, -5.46765133, -4.44543482, -3.67025541, -3.10416197],
  },
  nesterov: {
    1: [0.832111984, 0.892577387, 0.136859929, -0.736395635, -0.944230886, -0.264758649],
    10: [0.496463324, 0.446472508, -0.0840896489, -0.387565976, -0.519617746, -0.142478458],
    100: [-1.79395846, -2.38542706, -5.46235738, -4.44425977, -3.66677057, -3.10555353],
  },
  rmsprop: {
    1: [0.741471005, 0.809297438, 0.0411200527, -0.656802505, -0.858924288, -0.179415511],
    10: [0.27296735, 0.388721628, -0.397448848, -0.413798345, -0.4815362, -0.227937174],
    100: [-0.201474583, -0.0932782095, -1.34902511, -1.14490001, -1.09368343, -1.58960897],
  },
  rmspropMomentum: {
    1: [0.741471005, 0.809297438, 0.0411200527, -0.656802505, -0.858924288, -0.179415511],
    10: [-1.41131597, -1.07394043, -0.552254066, 0.131544238, 0.348340297, -0.399963323],
    100: [-4.17372162, -8.61415796, -6.20057654, -4.68840748, -3.79428223, -3.20846217],
  },
  radam: {
    1: [0.836545195, 0.900497406, 0.138877861, -0.746062043, -0.951190912, -0.271701367],
    10: [0.806356814, 0.856568153, 0.122437469, -0.699210616, -0.909740649, -0.243468234],
    100: [0.710659708, 0.764316981, 0.0815584772, -0.650853499, -0.82101922, -0.251816887],
  },
  radamShort: {
    1: [0.836545195, 0.900497406, 0.138877861, -0.746062043, -0.951190912, -0.271701367],
    10: [0.802148275, 0.85240063, 0.118264955, -0.695291314, -0.905556107, -0.240627623],
    100: [0.650962688, 0.716465559, 0.00749265878, -0.680558978, -0.810685195, -0.320183216],
  },
  uncorrected: {
    1: [0.809006762, 0.876765365, 0.109356159, -0.724422926, -0.926342589, -0.24751332],
    10: [0.272880607, 0.345323659, -0.418414531, -0.271992266, -0.405872355, -0.0850248762],
    100: [-1.41038147, -1.50781845, -5.15455311, -3.81394474, -3.43873645, -3.17812729],
  },
  secondCorrected: {
    1: [0.839629514, 0.907388129, 0.139978888, -0.755045693, -0.95696535, -0.278136083],
    10: [0.79100204, 0.85855918, 0.0979271391, -0.709267015, -0.90749936, -0.24316685],
    100: [0.530949913, 0.63493119, -0.170661025, -0.766869746, -0.827392489, -0.485723663],
  },
  firstGradient: {
    1: [0.830629514, 0.89838813, 0.130978889, -0.746045693, -0.947965351, -0.269136083],
    10: [0.688035412, 0.788521953, -0.0456900595, -0.660040823, -0.826811703, -0.213529153],
    100: [0.182765585, 0.524115685, -1.1894564, -0.693651454, -0.78214938, -0.465321138],
  },
  adabelief: {
    1: [0.829518814, 0.897277129, 0.129869331, -0.744934651, -0.946854389, -0.268025096],
    10: [0.694402715, 0.761924182, 0.00332785503, -0.619876865, -0.810779361, -0.18158698],
    100: [0.145181632, 0.280883017, -0.811690104, -0.832023749, -0.830217461, -1.5089842],
  },
  lion: {
    1: [0.830629514, 0.898388129, 0.130978888, -0.746045693, -0.94796535, -0.269136083],
    10: [0.733542842, 0.800694064, 0.0401639436, -0.649717238, -0.849826871, -0.197082686],
    100: [0.248157358, 0.307773303, -0.45966119, -0.880347657, -0.855353834, -0.729581027],
  },
} as const;

const CONFIGS: Readonly<
  Record<keyof typeof GOLDEN, Partial<OptimizerConfig> & { optimizer: OptimizerName }>
> = {
  adamw: { optimizer: 'adamw' },
  adam: { optimizer: 'adam' },
  sgd: { optimizer: 'sgd', momentum: 0.9 },
  nesterov: { optimizer: 'sgd', momentum: 0.9, nesterov: true },
  rmsprop: { optimizer: 'rmsprop', momentum: 0 },
  rmspropMomentum: { optimizer: 'rmsprop', momentum: 0.9 },
  radam: { optimizer: 'radam' },
  radamShort: { optimizer: 'radam', beta2: 0.99 },
  uncorrected: { optimizer: 'adamw', momentStart: 'uncorrected' },
  secondCorrected: { optimizer: 'adamw', momentStart: 'second-corrected' },
  firstGradient: { optimizer: 'adamw', momentStart: 'first-gradient' },
  adabelief: { optimizer: 'adabelief' },
  lion: { optimizer: 'lion' },
};

/** Arrays of the plain loops, and those of which the kernels take the first four elements. */
const ARRAYS: Readonly<Record<string, () => () => readonly Float32Array[]>> = {
  'ordinary arrays': () => () => [new Float32Array(6)],
  "the kernels' memory": () => reserveArrays([6], 3),
};

function* trial(
  config: (typeof CONFIGS)[keyof typeof CONFIGS],
  clip: number,
  allocate: () => readonly Float32Array[],
): Generator<[number, Float32Array]> {
  const optimizer = createOptimizer(config);
  const [param = new Float32Array(), ...slots] = ['param', ...optimizer.slots].flatMap(() => allocate());
  for (let i = 0; i < param.length; i++) param[i] = Math.sin(i + 1);
  for (let t = 0; t < 100; t++) {
    // What clipping scales down is scaled up here, so that the numbers stay torch's.
    const grad = param.map((p, i) => Math.sin(0.5 * (i + 1) * p + 0.1 * t) / clip);
    optimizer.update({
      param,
      grad,
      slots,
      learningRate: 1e-2,
      count: t + 1,
      weightDecay: 0.1,
      gradScale: clip,
    });
    yield [t + 1, param];
  }
}

for (const name of Object.keys(CONFIGS).filter((key): key is keyof typeof CONFIGS => key in CONFIGS)) {
  for (const [clip, [arrays, allocator]] of [1, 0.25].flatMap((each) =>
    Object.entries(ARRAYS).map((entry) => [each, entry] as const),
  )) {
    test(`${name} takes the reference's 100 steps in ${arrays}, with a gradient scaled by ${clip}`, (t) => {
      const golden: Readonly<Record<number, readonly number[]>> = GOLDEN[name];
      let compared = 0;
      for (const [step, param] of trial(CONFIGS[name], clip, allocator())) {
        const expected = golden[step];
        if (!expected) continue;
        const error = Math.hypot(...expected.map((x, i) => (param[i] ?? Number.NaN) - x));
        t.true(error < 1e-6 * Math.hypot(...expected), `step ${step}: ${error}`);
        compared++;
      }
      t.is(compared, 3);
    });
  }
}
