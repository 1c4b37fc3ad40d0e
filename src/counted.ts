/** `1 run`, `1,200 runs`: a number with its noun in the right form. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${inNumber(count, noun)}`;
}

/** With a large first letter, for a title. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** 60000 as `60,000`. */
export function grouped(n: number): string {
  return n.toLocaleString('en-US');
}

/** The noun alone, in the form that the number asks for. */
export function inNumber(count: number, noun: string): string {
  return count === 1 ? noun : `${noun}s`;
}
