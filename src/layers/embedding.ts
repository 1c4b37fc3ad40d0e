/** A table with a row for every id. */
import { UserError } from '../errors.ts';
import { expectNumber } from '../expect.ts';
import { gather } from '../onnx/ops.ts';
import { show } from '../onnx/shapes.ts';
import type { Value } from '../onnx/value.ts';
import type { Init, Scope } from './scope.ts';

/** How an embedding starts. */
export interface EmbeddingOptions {
  /** How the table starts; normal with standard deviation 0.02 by default, as in BERT and GPT-2. */
  readonly init?: Init;
}

/**
 * The rows of a table at ids: int32 or int64 of any shape [...] → float32 [..., width]. Its parameter is `embedding`
 * [vocabulary, width]. The derivative adds rows up where an id occurs (a scatter, or for a small table a product with the
 * one-hot matrix). ONNX Runtime throws at an id that is not in [−vocabulary, vocabulary). Throws UserError where the ids
 * are of another dtype or a size is no integer from 1 on.
 */
export function embedding(
  scope: Scope,
  ids: Value,
  vocabulary: number,
  width: number,
  { init = { kind: 'normal', std: 0.02 } }: EmbeddingOptions = {},
): Value {
  expectNumber('embedding: vocabulary', vocabulary, { min: 1, isInteger: true });
  expectNumber('embedding: width', width, { min: 1, isInteger: true });
  if (ids.dtype !== 'int32' && ids.dtype !== 'int64') {
    throw new UserError(`embedding: expected ids int32 or int64, got ${ids.dtype} ${show(ids.shape)}`);
  }
  return gather(scope.param('embedding', [vocabulary, width], init), ids);
}
