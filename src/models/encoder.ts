import * as v from 'valibot';
import type { Scope } from '../layers/scope.ts';
import type { Value } from '../onnx/value.ts';
import { size } from './schema.ts';

export const encoderSchema = v.strictObject({ kind: v.literal('encoder'), width: size(65536) });
export type EncoderConfig = v.InferInput<typeof encoderSchema>;
export function encoder(
  _scope: Scope,
  _tokens: Value,
  _sizes: { readonly classes: number; readonly vocabulary: number },
  _config: EncoderConfig,
): Value {
  throw new Error('internal: PLACEHOLDER');
}
