/** The convolution layer. */
import { convolution } from '../autodiff/convolution/convolution.ts';
import { type Pair, pairOf } from '../autodiff/windows.ts';
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { add } from '../onnx/ops.ts';
import { show, staticDim } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Init, Scope } from './scope.ts';

/** What kernels a convolution has, and how they move. A number is for rows and columns alike. */
export interface ConvOptions {
  /** The size of the kernels; 3 by default. */
  readonly kernel?: number | Pair;
  /** Pixels from a window to the next; 1 by default. */
  readonly stride?: number | Pair;
  /** Zeros around the image, on each side; 0 by default. */
  readonly padding?: number | Pair;
  /** Pixels of the image from a pixel of the kernel to the next; 1 by default. */
  readonly dilation?: number | Pair;
  /** Into how many groups channels are cut, each with kernels of its own; 1 by default, as many as channels for depthwise. */
  readonly groups?: number;
  /** Whether a bias is added, which starts at 0; true by default. */
  readonly bias?: boolean;
  /** How the kernels start; `he-normal` (He et al. 2015) by default. */
  readonly init?: Init;
}

/**
 * A convolution of images with channels last: x float32 [batch, height, width, in] → [batch, height', width', channels].
 * Its parameters are `kernel` [rows, columns, in/groups, channels] and `bias` [channels]. Throws UserError where a number
 * is out of range, groups do not divide both numbers of channels, x has another rank, or no window fits into the image.
 */
export function conv(scope: Scope, x: Value, channels: number, options: ConvOptions = {}): Value {
  const {
    kernel: size = 3,
    groups = 1,
    bias = true,
    init = { kind: 'he-normal', fan: 'in' },
    ...moves
  } = options;
  expectNumber('conv: channels', channels, { min: 1, isInteger: true });
  expectNumber('conv: groups', groups, { min: 1, isInteger: true });
  if (x.shape.length !== 4) {
    throw new UserError(`conv: expected x [batch, height, width, channels], got ${show(x.shape)}`);
  }
  const inputs = staticDim(x.shape[3], 'conv: x', x.shape);
  if (inputs % groups !== 0 || channels % groups !== 0) {
    throw new UserError(
      `conv: expected groups that divide ${inputs} channels and ${channels}, got ${groups}`,
    );
  }
  const shape = [...pairOf('conv: kernel', size, 1), inputs / groups, channels];
  const y = convolution(x, scope.param('kernel', shape, init), { ...moves, groups });
  return bias ? add(y, scope.param('bias', [channels], { kind: 'zeros' })) : y;
}
