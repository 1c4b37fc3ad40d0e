/** A layer with running statistics under SAM and exact GR: in one graph, in two phases, in micro-batches, observed. */
import test from 'ava';
import { dense } from '../../src/layers/dense.ts';
import type { Scope } from '../../src/layers/scope.ts';
import { mse } from '../../src/losses/regression.ts';
import { add, div, mul, reduceMean, sqrt, sub, tanh } from '../../src/onnx/ops.ts';
import type { Value } from '../../src/onnx/value.ts';
import { createHostTrainer } from '../../src/run/host-trainer.ts';
import type { StepTold } from '../../src/run/trainer.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import type { Task } from '../../src/tasks/task.ts';
import { named, wave, waves } from '../run/_tasks.ts';
import { described, graphsOf, load, planOf } from '../run/_train.ts';

/** Batch normalization (Ioffe & Szegedy 2015) as a user writes it; the running variance is the unbiased one, as PyTorch's. */
function batchNorm(scope: Scope, x: Value): Value {
  const [batch, width] = [Number(x.shape[0]), Number(x.shape.at(-1))];
  const scale = scope.param('scale', [width], { kind: 'ones' });
  const bias = scope.param('bias', [width], { kind: 'zeros' });
  const mean = scope.state('mean', [width], { kind: 'zeros' });
  const variance = scope.state('variance', [width], { kind: 'ones' });
  const normalized = (center: Value, spread: Value): Value =>
    add(mul(div(sub(x, center), sqrt(add(spread, 1e-5))), scale), bias);
  if (!scope.training) return normalized(mean, variance);
  scope.couplesExamples();
  const ofBatch = reduceMean(x, { axes: [0] });
  const error = sub(x, ofBatch);
  const spread = reduceMean(mul(error, error), { axes: [0] });
  scope.next(mean, add(mul(mean, 0.9), mul(ofBatch, 0.1)));
  scope.next(variance, add(mul(variance, 0.9), mul(spread, (0.1 * batch) / (batch - 1))));
  return normalized(ofBatch, spread);
}

const task: Task = {
  fields: { x: { dtype: 'float32', shape: [5] }, y: { dtype: 'float32', shape: [2] } },
  predict(scope, fields) {
    const hidden = tanh(dense(scope.sub('hidden'), named(fields, 'x'), 8));
    return { output: dense(scope.sub('head'), batchNorm(scope.sub('norm'), hidden), 2) };
  },
  loss: (outputs, fields) => mse(named(outputs, 'output'), named(fields, 'y')),
  metrics: {},
};

interface Golden {
  readonly told: readonly (readonly number[])[];
  readonly mean: readonly number[];
  readonly variance: readonly number[];
  /** Of each parameter Σ x·cos(i). */
  readonly sums: Readonly<Record<string, number>>;
}

/** scripts/peers/batch_norm.py, torch 2.14.1: by regularizer and micro-batch, after two steps of gradient descent. */
const TORCH: Readonly<Record<string, Golden>> = {
  'sam 8': {
    told: [
      [0.6728254594219939, 0.8238096463819314, 1.1272643093321073],
      [0.5843139702708693, 0.7871813742544175, 1.0435881003132808],
    ],
    mean: [
      -0.08130403162351882, -0.018015308664694724, 0.07499908463205834, 0.05600971661284333,
      -0.04570646973957612, -0.07782235525037082, 0.0003368493164395673, 0.08024769347796584,
    ],
    variance: [
      0.8149492685652101, 0.820259675461285, 0.8107602715168012, 0.8213661536841117, 0.8111928142221649,
      0.8170237002118148, 0.8176950941935734, 0.8121581281736948,
    ],
    sums: {
      'hidden/kernel': 0.2285939794146632,
      'hidden/bias': -0.759840999722398,
      'norm/scale': -1.510748620113338,
      'norm/bias': -0.9704303850446898,
      'head/kernel': 0.661306391593194,
      'head/bias': 0.01578182985144075,
    },
  },
  'sam 4': {
    told: [
      [0.6663872578386072, 0.9778336858808178, 1.2658713078835773],
      [0.6047582998632348, 0.8604701915011059, 1.1459754703803817],
    ],
    mean: [
      -0.14656036858484361, -0.031864900720402704, 0.13565522020767565, 0.10098770119031035,
      -0.0830792955304936, -0.1403396475518749, 0.0013271083773645324, 0.14488999334101668,
    ],
    variance: [
      0.6668895606568594, 0.6776426941278506, 0.6576647279993708, 0.6794451554852393, 0.6589382498947983,
      0.6710662375615504, 0.6726207875467829, 0.6607705712228549,
    ],
    sums: {
      'hidden/kernel': 0.2362647649987006,
      'hidden/bias': -0.7576053354500947,
      'norm/scale': -1.503845267409829,
      'norm/bias': -0.9710787522476942,
      'head/kernel': 0.6667823496646452,
      'head/bias': 0.01536833292170739,
    },
  },
  'exact 8': {
    told: [
      [0.6728254594219939, 0.8238096463819314, 0.9738208011785483],
      [0.5917047238200341, 0.8124449966453154, 0.9444415486752376],
    ],
    mean: [
      -0.08130959623079645, -0.018016793864746493, 0.07499861340681717, 0.056011684923072985,
      -0.045602554748535216, -0.07783014213320136, 0.00033128408813375804, 0.08024859725400971,
    ],
    variance: [
      0.8149421689713678, 0.8202587570576858, 0.8107604446587247, 0.8213603165408748, 0.8110686765579534,
      0.8170125253757559, 0.8176856220272095, 0.8121571414840388,
    ],
    sums: {
      'hidden/kernel': 0.23295414644927548,
      'hidden/bias': -0.7597310085328006,
      'norm/scale': -1.5258358325782146,
      'norm/bias': -0.9726537006908114,
      'head/kernel': 0.6704256622891035,
      'head/bias': 0.014707330635766597,
    },
  },
  'exact 4': {
    told: [
      [0.6663872578386072, 0.9778336858808178, 1.1527908433029124],
      [0.6107300724914292, 0.8893334542050396, 1.0331958414034703],
    ],
    mean: [
      -0.1468237857417657, -0.03192608704432, 0.13564670594007866, 0.10099033580894173, -0.08285559506011601,
      -0.14053154157305436, 0.0012513521518624237, 0.14501612249672693,
    ],
    variance: [
      0.6665465388475168, 0.6774976824128143, 0.6576665693783397, 0.6794438987890418, 0.6588372698942031,
      0.6707946929290489, 0.6724592676434697, 0.6606402304629446,
    ],
    sums: {
      'hidden/kernel': 0.23173809080878083,
      'hidden/bias': -0.7576001057836617,
      'norm/scale': -1.5218265707787926,
      'norm/bias': -0.9728760091890944,
      'head/kernel': 0.6750050896487509,
      'head/bias': 0.014479793340978014,
    },
  },
};

async function trained(kind: string, microBatch: number, observed: boolean) {
  const training = { task, microBatch };
  const graphs = graphsOf(training);
  const manifest = { ...described(task, graphs) };
  const loaded: string[] = [];
  const trainer = createHostTrainer({
    manifest,
    plan: planOf(kind, { rule: sgd({ momentum: 0 }), learningRate: () => 0.1, weightDecay: 0, clip: 0 }),
    batchSize: 8,
    seed: 3,
    load: (name) => {
      loaded.push(name);
      return load(graphs, name);
    },
  });
  trainer.variables.initialize(0);
  for (const { path, role } of manifest.variables)
    if (role === 'trainable') wave(path, trainer.variables.array(path));
  const gauge = observed
    ? { gradient: () => {}, update: (_k: number, _arrays: object, apply: () => void) => apply() }
    : undefined;
  const told: StepTold[] = [];
  for (let step = 0; step < 2; step++) told.push(await trainer.step(step, waves(task, 8, step), gauge));
  await trainer.release();
  return { told, loaded, array: (path: string) => [...trainer.variables.array(path)] };
}

for (const [name, golden] of Object.entries(TORCH)) {
  for (const observed of [false, true]) {
    const [kind = '', micro = ''] = name.split(' ');
    test(`${kind}, micro-batches of ${micro}${observed ? ', observed' : ''}: numbers and statistics are PyTorch's`, async (t) => {
      const near = (got: number | undefined, wanted: number | undefined, what: string) => {
        const error = Math.abs((got ?? Number.NaN) - (wanted ?? Number.NaN));
        t.true(error < 2e-6 * Math.max(1, Math.abs(wanted ?? 0)), `${what}: ${got}, not ${wanted}`);
      };
      const { told, loaded, array } = await trained(kind, Number(micro), observed);
      golden.told.forEach(([loss, gradNorm, regularizedNorm], i) => {
        near(told[i]?.loss, loss, `loss ${i}`);
        near(told[i]?.gradNorm, gradNorm, `gradient ${i}`);
        near(told[i]?.regularizedNorm, regularizedNorm, `regularized ${i}`);
      });
      for (const [i, wanted] of golden.mean.entries()) near(array('norm/mean')[i], wanted, `mean ${i}`);
      for (const [i, wanted] of golden.variance.entries())
        near(array('norm/variance')[i], wanted, `variance ${i}`);
      for (const [path, wanted] of Object.entries(golden.sums)) {
        near(
          array(path).reduce((sum, x, i) => sum + x * Math.cos(i), 0),
          wanted,
          path,
        );
      }
      // Who looks on asks for the plain gradient, too, after the graph that gives the rest.
      const whole = observed ? ['gr-exact', 'loss-grad'] : ['gr-exact'];
      const exactly = micro === '8' ? whole : ['loss-grad', 'hvp'];
      t.deepEqual(loaded, kind === 'sam' ? ['loss-grad'] : exactly);
    });
  }
}
