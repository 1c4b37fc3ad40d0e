/** The numbers of a program on the host, in float64. */
import { BINARY } from './loops/loop.ts';
import type { Num, NumOp } from './program.ts';

const CALCULATED: Readonly<Record<NumOp, (a: number, b: number) => number>> = {
  ...BINARY,
  over: (a, b) => (b === 0 ? 0 : a / b),
};

/** What a number is made of, in the end: a sum, a measurement or a scalar. */
export type Given = Extract<Num, { op: 'scalar' | 'sum' | 'measured' }>;

/** A number, once what it is made of is known. */
export function numberOf(num: Num, given: (num: Given) => number): number {
  switch (num.op) {
    case 'number':
      return num.value;
    case 'root':
      return Math.sqrt(numberOf(num.of, given));
    case 'calculated':
      return CALCULATED[num.f](numberOf(num.a, given), numberOf(num.b, given));
    default:
      return given(num);
  }
}

/** The sums, measurements and scalars in a number, in the order in which they are met. */
export function givenIn(num: Num): readonly Given[] {
  switch (num.op) {
    case 'number':
      return [];
    case 'root':
      return givenIn(num.of);
    case 'calculated':
      return [...givenIn(num.a), ...givenIn(num.b)];
    default:
      return [num];
  }
}
