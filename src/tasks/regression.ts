import type { Scope } from '../layers/scope.ts';
import type { Value } from '../onnx/value.ts';
import type { Fields, Task, Values } from './task.ts';

export function regression(_options: {
  readonly fields: Fields;
  readonly model: (scope: Scope, fields: Values) => Value;
  readonly loss?: 'mse' | 'mae' | 'huber';
}): Task {
  throw new Error('internal: PLACEHOLDER');
}
