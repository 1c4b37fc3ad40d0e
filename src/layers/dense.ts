/** The dense (fully connected) layer. */
import { linear } from '../autodiff/functions.ts';
import { expectNumber } from '../expect.ts';
import { staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Init, Scope } from './scope.ts';

/** How a dense layer starts, and whether it adds a bias. */
export interface DenseOptions {
  /** How the kernel starts; `xavier-uniform` (Glorot & Bengio 2010) by default. */
  readonly init?: Init;
  /** Whether a bias is added, which starts at 0; true by default. */
  readonly bias?: boolean;
}

/**
 * x·kernel + bias over the last axis: x float32 [..., in] → [..., width], any leading axes. Its parameters are
 * `kernel` [in, width] and `bias` [width]. Throws UserError where the width is no integer from 1 on or the last axis of x
 * is not static.
 */
export function dense(
  scope: Scope,
  x: Value,
  width: number,
  { init = { kind: 'xavier-uniform' }, bias = true }: DenseOptions = {},
): Value {
  expectNumber('dense: width', width, { min: 1, isInteger: true });
  const columns = staticDim(x.shape.at(-1), 'dense: x', x.shape);
  const kernel = scope.param('kernel', [columns, width], init);
  return linear(x, kernel, bias ? scope.param('bias', [width], { kind: 'zeros' }) : undefined);
}
