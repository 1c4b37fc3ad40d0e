import { show, UserError } from '../errors.ts';

/** Numbers in lists of lists: [[1, 2], [3, 4]] are two examples of shape [2]. */
export interface Nested extends ReadonlyArray<number | Nested> {}

/** The numbers of nested lists, row-major, and their shape. Throws a UserError where lists differ in length. */
export function flattened(
  where: string,
  nested: Nested,
): { data: readonly number[]; shape: readonly number[] } {
  const shape: number[] = [];
  for (let level: number | Nested | undefined = nested; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
  }
  const data: number[] = [];
  const visit = (value: number | Nested, depth: number, place: string): void => {
    if (typeof value === 'number' && depth === shape.length) {
      data.push(value);
      return;
    }
    const { length } = typeof value === 'number' ? { length: undefined } : value;
    if (typeof value === 'number' || length !== shape[depth]) {
      const expected = depth < shape.length ? `a list of ${shape[depth]}` : 'a number';
      throw new UserError(
        `${where}${place}: expected ${expected}, as in the first example, got ${Array.isArray(value) ? `a list of ${length}` : show(value)}`,
      );
    }
    value.forEach((each, i) => {
      visit(each, depth + 1, `${place}[${i}]`);
    });
  };
  visit(nested, 0, '');
  return { data, shape };
}
