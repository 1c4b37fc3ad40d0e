/** Checks of arguments at the call, because a call from JavaScript has no compiler that checks them. */
import { messageOf, nearestName, show, UserError } from './errors.ts';

/** Throws UserError unless the value is one of `valid`. `what` names the call and the argument: `finish: target`. */
export function expectOneOf<const T extends string>(
  what: string,
  value: unknown,
  valid: readonly T[],
): asserts value is T {
  if (valid.some((each) => each === value)) return;
  const nearest = typeof value === 'string' ? nearestName(value, valid) : undefined;
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  throw new UserError(`${what}: expected one of ${valid.join(', ')}, got ${show(value)}${hint}`);
}

/** Throws UserError unless the value is a finite number ≥ `min` and, with `isInteger`, an integer. */
export function expectNumber(
  what: string,
  value: unknown,
  { min = -Infinity, isInteger = false }: { readonly min?: number; readonly isInteger?: boolean } = {},
): asserts value is number {
  const isNumber = isInteger ? Number.isInteger(value) : Number.isFinite(value);
  if (isNumber && Number(value) >= min) return;
  const expected = isInteger ? 'an integer' : 'a finite number';
  const bound = min === -Infinity ? '' : ` ≥ ${min}`;
  throw new UserError(`${what}: expected ${expected}${bound}, got ${show(value)}`);
}

/** Throws UserError unless the value is true or false. */
export function expectBoolean(what: string, value: unknown): asserts value is boolean {
  if (typeof value === 'boolean') return;
  throw new UserError(`${what}: expected true or false, got ${show(value)}`);
}

/** What is wrong with a text as a regular expression; null where it is one. */
export function patternFault(text: string): string | null {
  try {
    new RegExp(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Throws UserError, with what is wrong with it, unless the text is a regular expression. */
export function expectPatternText(what: string, pattern: string): void {
  const fault = patternFault(pattern);
  if (fault !== null)
    throw new UserError(`${what}: expected a regular expression, got ${show(pattern)}: ${fault}`);
}

/** The element at an index that must exist. If it does not, that is a mistake in this package. */
export function expectAt<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new Error(`internal: expected an element ${index} of ${values.length}`);
  return value;
}
