/** Sums of products by Einstein's convention, written with reshapes, transpositions and one matrix product. */
import { UserError } from '../../errors.ts';
import { product, show } from '../shapes.ts';
import type { Dim, Shape, Value } from '../value.ts';
import { mul } from './elementwise.ts';
import { reshape, transpose } from './layout.ts';
import { matmul } from './product.ts';
import { reduceSum } from './reduction.ts';

type Letters = readonly string[];

/** An operand, one letter per axis. */
interface Indexed {
  readonly letters: Letters;
  readonly value: Value;
}

/**
 * The sum of products that an equation names, as in numpy: `einsum('bqhd,bkhd->bhqk', queries, keys)`. A letter stands
 * for an axis. What is not behind `->` is summed over; without `->`, the result has the letters that occur once, in
 * alphabetical order, upper case first. float32, of any shapes where equal letters have equal sizes. Throws a UserError where the equation
 * is not of two operands, repeats a letter within one of them or in the result, uses `...`, or does not fit the shapes.
 */
export function einsum(equation: string, left: Value, right: Value): Value {
  const { terms, result } = parse(equation);
  const a = indexed(equation, terms[0], left);
  const b = indexed(equation, terms[1], right);
  const sizes = sizesOf(equation, a, b);
  return ordered(contract(withoutOwn(a, b, result), withoutOwn(b, a, result), result, sizes), result).value;
}

const EXAMPLE = '"ij,jk->ik"';

/** The letters of the operands and of the result. */
function parse(equation: string): { terms: readonly [Letters, Letters]; result: Letters } {
  const [, first = '', second = '', explicit] =
    /^([a-z]*),([a-z]*)(?:->([a-z]*))?$/i.exec(equation.replaceAll(' ', '')) ??
    fail(equation, `expected letters for two operands, as in ${EXAMPLE}`);
  const terms: readonly [Letters, Letters] = [[...first], [...second]];
  const result = explicit === undefined ? once([...first, ...second]) : [...explicit];
  for (const letters of [...terms, result]) {
    const repeated = letters.find((letter, i) => letters.indexOf(letter) !== i);
    if (repeated)
      fail(equation, `expected every letter once in "${letters.join('')}", got "${repeated}" again`);
  }
  const unknown = result.find((letter) => !terms.some((letters) => letters.includes(letter)));
  if (unknown) fail(equation, `expected letters of the operands behind "->", got "${unknown}"`);
  return { terms, result };
}

const once = (letters: Letters): string[] =>
  letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();

function fail(equation: string, what: string): never {
  throw new UserError(`einsum "${equation}": ${what}`);
}

function indexed(equation: string, letters: Letters, value: Value): Indexed {
  const what = `${value.dtype} ${show(value.shape)}`;
  if (value.dtype !== 'float32') fail(equation, `expected float32, got ${what}; cast() it first`);
  if (letters.length !== value.shape.length)
    fail(equation, `expected rank ${letters.length} for "${letters.join('')}", got ${what}`);
  return { letters, value };
}

/** The size of each letter. */
function sizesOf(equation: string, ...operands: readonly Indexed[]): Map<string, Dim> {
  const sizes = new Map<string, Dim>();
  for (const { letters, value } of operands) {
    letters.forEach((letter, i) => {
      const [size = 1, known] = [value.shape[i], sizes.get(letter)];
      if (known !== undefined && known !== size)
        fail(equation, `expected one size for "${letter}", got ${known} and ${size}`);
      sizes.set(letter, size);
    });
  }
  return sizes;
}

/** The operand summed over the letters that it alone has. */
function withoutOwn(x: Indexed, other: Indexed, result: Letters): Indexed {
  const stays = (letter: string) => other.letters.includes(letter) || result.includes(letter);
  const axes = x.letters.flatMap((letter, i) => (stays(letter) ? [] : [i]));
  return { letters: x.letters.filter(stays), value: reduceSum(x.value, { axes }) };
}

/**
 * The product, its letters in the order: those of both operands that stay, then what is left of each. The first are the
 * stack of a matrix product, and what is summed over is its inner dimension.
 */
function contract(a: Indexed, b: Indexed, result: Letters, sizes: ReadonlyMap<string, Dim>): Indexed {
  const shared = a.letters.filter((letter) => b.letters.includes(letter));
  const stack = shared.filter((letter) => result.includes(letter));
  const inner = shared.filter((letter) => !result.includes(letter));
  const rows = a.letters.filter((letter) => !shared.includes(letter));
  const columns = b.letters.filter((letter) => !shared.includes(letter));
  const shape = (...groups: readonly Letters[]): Shape =>
    groups.flat().map((letter) => sizes.get(letter) ?? 1);
  /** As a stack of matrices, whose axes are what these groups of letters make together. */
  const matrices = (x: Indexed, first: Letters, second: Letters): Value => {
    const { value } = ordered(x, [...stack, ...first, ...second]);
    return reshape(value, [...shape(stack), product(shape(first)), product(shape(second))]);
  };
  /** The same, with `second` in front where that is how the operand lies: the product transposes it at less cost. */
  const factor = (x: Indexed, first: Letters, second: Letters): [Value, boolean] => {
    const isSwapped = isIn(x, [...stack, ...second, ...first]) && !isIn(x, [...stack, ...first, ...second]);
    return isSwapped ? [matrices(x, second, first), true] : [matrices(x, first, second), false];
  };
  const summed = (): Value => {
    const [[left, transA], [right, transB]] = [factor(a, rows, inner), factor(b, inner, columns)];
    return matmul(left, right, { transA, transB });
  };
  const letters = [...stack, ...rows, ...columns];
  // Nothing is summed over in an outer product: it needs no matrix product.
  const value = inner.length > 0 ? summed() : mul(matrices(a, rows, []), matrices(b, [], columns));
  return { letters, value: reshape(value, shape(letters)) };
}

const isIn = ({ letters }: Indexed, order: Letters): boolean =>
  letters.every((letter, i) => letter === order[i]);

/** The operand with its axes in the order of these letters. */
function ordered({ letters, value }: Indexed, order: Letters): Indexed {
  return {
    letters: order,
    value: transpose(
      value,
      order.map((letter) => letters.indexOf(letter)),
    ),
  };
}
