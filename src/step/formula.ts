/**
 * The language of a step, for an update rule or a regularizer of one's own: vectors of the parameters' size and numbers
 * of the step. What is written in it runs on the host and in graphs alike.
 */
export {
  abs,
  add,
  type Derivatives,
  div,
  dot,
  max,
  min,
  mul,
  type Num,
  norm,
  over,
  type Rates,
  type Scalars,
  sign,
  single,
  sqrt,
  sub,
  sum,
  type Vec,
} from './program.ts';
