/** `1 run`, `1,200 runs`: a number with its noun in the right form. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${inNumber(count, noun)}`;
}

/** 60000 as `60,000`. */
export function grouped(n: number): string {
  return n.toLocaleString('en-US');
}

/** The noun alone, in the form that the number asks for. */
export function inNumber(count: number, noun: string): string {
  return count === 1 ? noun : `${noun}s`;
}
