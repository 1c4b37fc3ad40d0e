/** A value as a JSON file holds it, indented for people who read it. Pure: also for browsers. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
