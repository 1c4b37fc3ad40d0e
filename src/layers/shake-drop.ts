/** ShakeDrop (Yamada et al., *ShakeDrop Regularization for Deep Residual Learning*, arXiv 1802.02375). */
import { lift } from '../autodiff/linear.ts';
import { show, UserError } from '../errors.ts';
import { expectAt } from '../expect.ts';
import { add, call, mul, where } from '../onnx/ops.ts';
import type { Composite, Value } from '../onnx/value.ts';
import type { Scope } from './scope.ts';

/** From where to where α and β are uniform; the paper's are the defaults. */
export interface ShakeDropOptions {
  /** Of what is dropped, the factor forward; [−1, 1] by default. */
  readonly alpha?: readonly [least: number, most: number];
  /** Of what is dropped, the factor of the derivative; [0, 1] by default. */
  readonly beta?: readonly [least: number, most: number];
}

/**
 * What a residual block adds, shaken: x·(b + α − bα), with the derivative that x·(b + β − bβ) would have. b is 1 with
 * chance `keep`, else 0: so a branch that is kept stays as it is, and one that is dropped goes through times α, its
 * derivative back times β. Every example draws its own b, α and β, the same for all its pixels and channels, as the code
 * of Zhao et al. 2022 does: a mask `keep` and uniform numbers `alpha` and `beta` in its scope, random inputs
 * (`Scope.random`). While not training, x times the mean of its factor, keep + E[α]·(1 − keep). float32 [batch, ...], and
 * so is the result. Throws UserError where `keep` is not in (0, 1], or a range is none.
 */
export function shakeDrop(
  scope: Scope,
  x: Value,
  keep: number,
  { alpha = [-1, 1], beta = [0, 1] }: ShakeDropOptions = {},
): Value {
  if (!(keep > 0 && keep <= 1)) {
    throw new UserError(`shakeDrop: expected a chance above 0 and at most 1 to keep, got ${show(keep)}`);
  }
  expectRange('alpha', alpha);
  expectRange('beta', beta);
  if (keep === 1) return x;
  if (!scope.training) return mul(x, keep + ((alpha[0] + alpha[1]) / 2) * (1 - keep));
  const shape = x.shape.map((dim, axis) => (axis === 0 ? dim : 1));
  const isKept = scope.random.mask('keep', shape, keep);
  // b + α − bα is 1 where b is, and α where b is 0.
  const factor = (name: string, [least, most]: readonly [number, number]): Value =>
    where(isKept, 1, add(mul(scope.random.uniform(name, shape), most - least), least));
  return expectAt(call(shake, [x, factor('alpha', alpha), factor('beta', beta)]), 0);
}

/**
 * x·forward, differentiated as x·backward: x·backward + stopGradient(x·forward − x·backward) in one product. The factors
 * are random inputs, whose derivatives nobody asks for.
 */
const shake: Composite = {
  name: 'shake',
  body: (given) => [mul(expectAt(given, 0), expectAt(given, 1))],
  vjp: ([ct], _y, given) => [lift(ct, (d) => mul(d, expectAt(given, 2))), undefined, undefined],
  jvp: ([t], _y, given) => [lift(t, (d) => mul(d, expectAt(given, 2)))],
};

function expectRange(what: string, range: readonly unknown[]): void {
  const [least, most, ...more] = range;
  const isRange = typeof least === 'number' && typeof most === 'number' && least <= most;
  if (isRange && more.length === 0 && Number.isFinite(least) && Number.isFinite(most)) return;
  throw new UserError(`shakeDrop: ${what}: expected [least, most], finite numbers, got ${show(range)}`);
}
