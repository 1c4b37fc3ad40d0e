/** The derivative rules of every op: a total table, so that an op without its rules does not compile. */
import type { OpType } from '../../onnx/value.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { layout } from './layout.ts';
import { normalization } from './normalization.ts';
import { product } from './product.ts';
import { reduce } from './reduce.ts';
import type { Rule } from './rule.ts';

export const rules: { readonly [Op in OpType]: Rule<Op> } = {
  Input: { vjp: () => [], jvp: () => [undefined] },
  Constant: { vjp: () => [], jvp: () => [undefined] },
  Call: {
    vjp: (ct, y, x, attributes) => attributes.composite.vjp(ct, y, x, attributes),
    jvp: (t, y, x, attributes) => attributes.composite.jvp(t, y, x, attributes),
  },
  ...elementwise,
  ...reduce,
  ...product,
  ...layout,
  ...indexing,
  ...normalization,
};
