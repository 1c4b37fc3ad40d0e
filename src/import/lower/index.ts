/** All lowerings by operator. */
import { ACTIVATION } from './activation.ts';
import { ATTENTION } from './attention.ts';
import { CONVOLUTION } from './convolution.ts';
import { EINSUM } from './einsum.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { INDEXING } from './indexing.ts';
import { LAYOUT } from './layout.ts';
import type { Lowerings } from './lowering.ts';
import { MATMUL } from './matmul.ts';
import { MICROSOFT } from './microsoft.ts';
import { NORMALIZATION } from './normalization.ts';
import { POOL } from './pool.ts';
import { REARRANGE } from './rearrange.ts';
import { RECURRENT } from './recurrent.ts';
import { REDUCTIONS } from './reductions.ts';
import { RESIZE } from './resize.ts';

export const LOWERINGS: Lowerings = {
  ...ACTIVATION,
  ...ATTENTION,
  ...CONVOLUTION,
  ...EINSUM,
  ...ELEMENTWISE,
  ...INDEXING,
  ...MATMUL,
  ...MICROSOFT,
  ...NORMALIZATION,
  ...POOL,
  ...REARRANGE,
  ...RECURRENT,
  ...REDUCTIONS,
  ...RESIZE,
  ...LAYOUT,
};
