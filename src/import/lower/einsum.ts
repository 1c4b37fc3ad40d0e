/** Einsum of any number of operands, with `...` and repeated letters, as products of two. */
import { einsum } from '../../onnx/ops/einsum.ts';
import { cast, constant, mul, reduceSum, reshape, transpose } from '../../onnx/ops.ts';
import { staticDim } from '../../onnx/shapes.ts';
import type { Value } from '../../onnx/value.ts';
import type { Call, Lowering, Lowerings } from './lowering.ts';

/** An operand, one letter per axis. */
interface Term {
  readonly letters: string;
  readonly value: Value;
}

/** Letters for the axes of `...`, none of which the equation has. */
function freshLetters(equation: string, count: number): string {
  const all = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  return [...all]
    .filter((letter) => !equation.includes(letter))
    .slice(0, count)
    .join('');
}

/** The letters of operands and result, with those of `...` put in. */
function parse(call: Call): { readonly terms: readonly Term[]; readonly result: string } {
  const equation = call.attributes.text('equation', '').replaceAll(' ', '');
  const [left = '', right] = equation.split('->');
  const given = left.split(',');
  if (given.length !== call.inputs || !/^[a-z.,>-]*$/i.test(equation)) {
    throw call.error(`expected an equation for ${call.inputs} operands, got "${equation}"`);
  }
  const values = given.map((_, i) => cast(call.value(i), 'float32'));
  const hidden = given.map((letters, i) =>
    letters.includes('...') ? (values[i]?.shape.length ?? 0) - (letters.length - 3) : 0,
  );
  const most = freshLetters(equation, Math.max(...hidden));
  const terms = given.map((letters, i): Term => {
    const own = most.slice(most.length - (hidden[i] ?? 0));
    const value = values[i] ?? call.value(i);
    return withoutRepeats(call, { letters: letters.replace('...', own), value });
  });
  const once = [...left.replaceAll(/[.,]/g, '')].filter(
    (letter) => left.indexOf(letter) === left.lastIndexOf(letter),
  );
  const result = right === undefined ? most + once.sort().join('') : right.replace('...', most);
  return { terms: terms.map((term) => withoutOnes(term, terms)), result };
}

/** An operand with each letter once: of axes that share a letter, the diagonal. */
function withoutRepeats(call: Call, term: Term): Term {
  const { letters, value } = term;
  const again = [...letters].findIndex((letter, i) => letters.indexOf(letter) < i);
  if (again < 0) return term;
  const first = letters.indexOf(letters[again] ?? '');
  const length = staticDim(value.shape[first], call.op, value.shape);
  if (value.shape[again] !== length) throw call.error(`expected one size for "${letters[again]}"`);
  const shape = value.shape.map((_, i) => (i === first || i === again ? length : 1));
  const eye = Float32Array.from({ length: length * length }, (_, i) => Number(i % (length + 1) === 0));
  const diagonal = reduceSum(mul(value, constant(eye, shape)), { axes: [again] });
  return withoutRepeats(call, {
    letters: letters.slice(0, again) + letters.slice(again + 1),
    value: diagonal,
  });
}

/** An operand without axes of length 1 that are longer in another: they broadcast. */
function withoutOnes({ letters, value }: Term, terms: readonly Term[]): Term {
  const isLonger = (letter: string): boolean =>
    terms.some((other) => (other.value.shape[other.letters.indexOf(letter)] ?? 1) !== 1);
  const stays = [...letters].map((letter, i) => value.shape[i] !== 1 || !isLonger(letter));
  return {
    letters: [...letters].filter((_, i) => stays[i]).join(''),
    value: reshape(
      value,
      value.shape.filter((_, i) => stays[i]),
    ),
  };
}

/** The last operand alone: what is not in the result is summed over, the rest put into its order. */
function ordered({ letters, value }: Term, result: string): Value {
  const axes = [...letters].flatMap((letter, i) => (result.includes(letter) ? [] : [i]));
  const left = [...letters].filter((letter) => result.includes(letter));
  return transpose(
    reduceSum(value, { axes }),
    [...result].map((letter) => left.indexOf(letter)),
  );
}

const einsumOf: Lowering = (call) => {
  const { terms, result } = parse(call);
  const [first, ...rest] = terms;
  if (!first) throw call.error('expected an operand');
  const whole = rest.reduce((term, next, i): Term => {
    // What neither a later operand nor the result has is summed over now.
    const later =
      rest
        .slice(i + 1)
        .map(({ letters }) => letters)
        .join('') + result;
    const union = [...new Set(term.letters + next.letters)];
    const kept = i === rest.length - 1 ? result : union.filter((letter) => later.includes(letter)).join('');
    return {
      letters: kept,
      value: einsum(`${term.letters},${next.letters}->${kept}`, term.value, next.value),
    };
  }, first);
  return [cast(ordered(whole, result), call.dtype(0))];
};

export const EINSUM: Lowerings = { Einsum: einsumOf };
