/** The two rules of one op, and the forms that most of them take. */
import type { JvpRule, OpType, Value, VjpRule } from '../../onnx/value.ts';
import { lift } from '../linear.ts';

export interface Rule<Op extends OpType> {
  readonly vjp: VjpRule<Op>;
  readonly jvp: JvpRule<Op>;
}

/** The rules of a family of ops; index.ts puts the families together into one total table. */
export type Rules<Family extends OpType> = { readonly [Op in Family]: Rule<Op> };

type One = readonly [Value];
type Perhaps = readonly [Value | undefined];

/** The rules of a function of one value. `vjp` maps a cotangent of the result, `jvp` a tangent of the operand. */
interface UnaryRule<A> {
  readonly vjp: (ct: One, y: One, x: One, attributes: A) => Perhaps;
  readonly jvp: (t: Perhaps, y: One, x: One, attributes: A) => Perhaps;
}

type Derivative<A> = (d: Value, y: Value, x: Value, attributes: A) => Value;

export function unary<A>(adjoint: Derivative<A>, tangent: Derivative<A>): UnaryRule<A> {
  return {
    vjp: ([ct], [y], [x], attributes) => [adjoint(ct, y, x, attributes)],
    jvp: ([t], [y], [x], attributes) => [lift(t, (d) => tangent(d, y, x, attributes))],
  };
}

/** A function whose Jacobian is symmetric, as that of every elementwise function is: one rule serves both modes. */
export const symmetric = <A>(jacobian: Derivative<A>): UnaryRule<A> => unary(jacobian, jacobian);

/** The rule of a function of one value that is constant wherever it has a derivative. */
export const zeroDerivative = { vjp: () => [undefined] as const, jvp: () => [undefined] as const };

/** The rules of a function of two values that is constant wherever it has a derivative. */
export const zeroDerivatives = {
  vjp: () => [undefined, undefined] as const,
  jvp: () => [undefined] as const,
};
