/** The text of a JSON file, indented so that people can read it. Pure: also for browsers. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
