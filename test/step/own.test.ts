/**
 * Regularizers and update rules, as a graph of a whole step and on the host: the
 * same numbers, and those of their papers' formulas in plain arithmetic.
 */
import test from 'ava';
import { type DecayPlace, type Regularizer, traceStep, type UpdateRule } from '../../src/step/program.ts';
import { asam } from '../../src/step/regularizers/asam.ts';
import { exact } from '../../src/step/regularizers/exact.ts';
import {
  finiteDifference,
  normalizedDifference,
  sam,
} from '../../src/step/regularizers/finite-difference.ts';
import { gsam } from '../../src/step/regularizers/gsam.ts';
import { adabelief } from '../../src/step/rules/adabelief.ts';
import { adamw } from '../../src/step/rules/adam.ts';
import { ema } from '../../src/step/rules/ema.ts';
import { lion } from '../../src/step/rules/lion.ts';
import { radam } from '../../src/step/rules/radam.ts';
import { rmsprop } from '../../src/step/rules/rmsprop.ts';
import { sgd } from '../../src/step/rules/sgd.ts';
import { asGraph, flatOf, gradientAt, onHost, RATES, STRENGTHS, start } from './_small.ts';

const CASES: readonly (readonly [Regularizer, UpdateRule, DecayPlace?])[] = [
  [asam, lion()],
  [exact, radam({ beta2: 0.5 })],
  [sam, adabelief()],
  [exact, adamw({ momentStart: 'first-gradient' })],
  [asam, adamw()],
  [gsam, adamw()],
  [exact, ema(adamw(), 0.9)],
  [finiteDifference, rmsprop()],
  [normalizedDifference, adamw()],
  [exact, adamw(), 'loss'],
  [finiteDifference, sgd({ nesterov: true }), 'loss'],
  [sam, sgd({ nesterov: true })],
];

for (const [regularizer, rule, weightDecayIn = 'update'] of CASES) {
  const start = rule.scalars(1).keep2 === 0 ? ' from the first gradient' : '';
  const form = weightDecayIn === 'loss' ? ' and decay in the loss' : start;
  test(`${regularizer.name} with ${rule.name}${form} (${rule.slots.join(', ')}): a graph of a whole step is the host's plan`, async (t) => {
    const program = traceStep({ regularizer, rule, weightDecayIn });
    const [host, graph] = [await onHost(program, rule, 4), await asGraph(program, rule, 4)];
    for (const [name, arrays] of Object.entries(host)) {
      arrays.forEach((array, i) => {
        array.forEach((value, k) => {
          const got = graph[name]?.[i]?.[k] ?? Number.NaN;
          t.true(
            Math.abs(got - value) < 2e-6 * Math.max(1, Math.abs(value)),
            `${name} ${i}[${k}]: ${got}, not ${value}`,
          );
        });
      });
    }
  });
}

test('ASAM with Lion is what their papers say, in plain arithmetic', async (t) => {
  const state = await onHost(traceStep({ regularizer: asam, rule: lion() }), lion(), 1);
  const flat = flatOf(start);
  const g = await gradientAt(flat);
  const tOf = (i: number) => Math.abs(flat[i] ?? 0) + 0.01;
  const scaled = g.map((x, i) => tOf(i) * x);
  const there = flat.map((x, i) => x + (STRENGTHS.r * tOf(i) * (scaled[i] ?? 0)) / Math.hypot(...scaled));
  const regularized = await gradientAt(there);
  const factor = Math.min(1, STRENGTHS.clip / (Math.hypot(...regularized) + 1e-6));
  const got = flatOf(state.theta);
  flat.forEach((x, i) => {
    const [rate = 0, decay = 0] = [RATES.learningRate[i < 3 ? 0 : 1], RATES.weightDecay[i < 3 ? 0 : 1]];
    const wanted = x - rate * (Math.sign(regularized[i] ?? 0) + decay * x);
    t.true(Math.abs((got[i] ?? 0) - wanted) < 1e-6, `${i}: ${got[i]}, not ${wanted}`);
  });
  const mu = flatOf(state.mu);
  regularized.forEach((x, i) => {
    t.true(Math.abs((mu[i] ?? 0) - 0.01 * factor * x) < 1e-6);
  });
});
