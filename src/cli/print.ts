import { printable } from '../errors.ts';

/** Prints a line on stdout. Text from outside in it, such as a class name, cannot steer the terminal. */
export function print(line: string): void {
  console.log(printable(line));
}
