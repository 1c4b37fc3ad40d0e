/** ResNets: published parameter counts; PyTorch's loss, gradient, exact regularization and running statistics. */
import test from 'ava';
import { gradientOf } from '../../scripts/bench/gradient.ts';
import { configFor } from '../../src/config/config.ts';
import { Scope } from '../../src/layers/scope.ts';
import { RESNET_VARIANTS, type ResnetConfig, resnet } from '../../src/models/resnet.ts';
import { input } from '../../src/onnx/ops.ts';
import { sizeOf } from '../../src/onnx/shapes.ts';
import { createEngine } from '../../src/run/engine.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import { planRun, stepPlanOf } from '../../src/run/plan.ts';
import { VariableArrays } from '../../src/run/variables.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import { none } from '../../src/step/regularizers/none.ts';
import { differences, norm } from '../_steps.ts';
import { GOLDENS, goldenBatch, openGolden, setWeights } from './_golden-resnet.ts';

const build = (config: Omit<ResnetConfig, 'kind'>, side: number, classes: number) => {
  const scope = new Scope();
  const logits = resnet(scope, input('images', [2, 3, side, side]), classes, { kind: 'resnet', ...config });
  return { scope, logits };
};

const count = (config: Omit<ResnetConfig, 'kind'>, side: number, classes: number): number =>
  build(config, side, classes).scope.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/**
 * Of torchvision 0.29's resnet18() and so on, 1,000 classes; and of these with a first convolution 3×3 and 10 classes.
 * micro by scripts/peers/torch_resnet.py.
 */
const PUBLISHED: Readonly<Record<keyof typeof RESNET_VARIANTS, readonly [imagenet: number, cifar: number]>> =
  {
    micro: [144_312, 78_042],
    18: [11_689_512, 11_173_962],
    34: [21_797_672, 21_282_122],
    50: [25_557_032, 23_520_842],
    101: [44_549_160, 42_512_970],
  };

for (const variant of ['micro', '18', '34', '50', '101'] as const) {
  test(`ResNet-${variant} has as many parameters as published, with either stem`, (t) => {
    const [imagenet, cifar] = PUBLISHED[variant];
    t.is(count({ variant, stem: 'imagenet' }, 64, 1000), imagenet);
    t.is(count({ variant, stem: 'cifar' }, 32, 10), cifar);
  });
}

test('every variant has a published count', (t) => {
  t.deepEqual(Object.keys(RESNET_VARIANTS).sort(), Object.keys(PUBLISHED).sort());
});

for (const [name, golden] of Object.entries(GOLDENS)) {
  const open = () => {
    const { manifest, load } = openGolden(golden);
    const variables = new VariableArrays(manifest, 0);
    setWeights(variables, golden);
    return { variables, engine: createEngine({ manifest, variables, seed: 0, load }) };
  };

  for (const [kind, regularizer] of [
    ['gradient', none],
    ['exact', exact],
  ] as const) {
    for (const whole of kind === 'exact' ? [true, false] : [false]) {
      const how = kind === 'exact' ? (whole ? ' of exact GR in one run' : ' of exact GR in two runs') : '';
      test(`a ${name} ResNet: PyTorch's loss and gradient${how}`, async (t) => {
        const { variables, engine } = open();
        const take = gradientOf({
          ...{ engine, variables, regularizer, whole },
          strengths: { lambda: golden.lambda },
        });
        const result = await take(goldenBatch(golden, 0));
        t.true(Math.abs(result.loss / golden.loss - 1) < 1e-5, String(result.loss));
        t.true(Math.abs(result.gradNorm / golden.grad_norm - 1) < 1e-4, String(result.gradNorm));
        const paths = variables.parameters.map(({ path }) => path);
        t.deepEqual(paths.toSorted(), Object.keys(golden[kind]).sort());
        const expected = paths.map((path) => Float32Array.from(golden[kind][path] ?? []));
        const [worst] = differences(result.gradients, expected, paths);
        t.true((worst?.error ?? 1) < 1e-4, `${worst?.name}: ${worst?.error}`);
        await engine.release();
      });
    }
  }

  for (const gr of ['none', 'sam'] as const) {
    test(`a ${name} ResNet, ${gr}: running statistics after ${golden.steps} steps`, async (t) => {
      const { manifest, load } = openGolden(golden);
      const options = { gr, optimizer: 'sgd', schedule: 'constant', learningRate: golden.rate } as const;
      const config = configFor({
        ...options,
        ...{ momentum: 0, weightDecay: 0, warmupEpochs: 0, clip: 0, epochs: 2, batchSize: golden.batch },
        ...(gr === 'sam' ? { r: 1e-6 } : {}),
      });
      const plan = stepPlanOf(config, planRun(config, golden.steps));
      const trainer = createHostTrainer({ manifest, plan, batchSize: golden.batch, seed: 0, load });
      setWeights(trainer.variables, golden);
      let loss = Number.NaN;
      for (let step = 0; step < golden.steps; step++) {
        ({ loss } = await trainer.step(step, goldenBatch(golden, step)));
      }
      t.true(Math.abs(loss / golden.last_loss - 1) < 1e-3, String(loss));
      for (const [path, expected] of Object.entries(golden.state)) {
        const got = trainer.variables.array(path);
        t.is(got.length, expected.length);
        const error = norm(expected.map((x, i) => x - (got[i] ?? Number.NaN))) / norm(expected);
        // SAM's r is small, not 0.
        t.true(error < (gr === 'sam' ? 1e-4 : 1e-5), `${path}: ${error}`);
      }
      await trainer.release();
    });
  }
}
