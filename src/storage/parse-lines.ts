/** Lines that hold one JSON object each. Pure: also for browsers. */
import * as v from 'valibot';
import { mismatch, printable, UserError } from '../errors.ts';

type Schema<Line> = v.GenericSchema<unknown, Line>;

/** All complete lines; the file may still be being written. Throws a UserError that names the file and the line. */
export function parseLines<Line>(content: string, schema: Schema<Line>, path: string): Line[] {
  return Array.from(parsedLines(content.split('\n'), schema, path));
}

/**
 * Parses a file's lines one after the other, each given without its break. The text after the last break is parsed if it
 * is valid JSON. Otherwise a crash cut it, or it is still being written, and it is left out. Throws as `parseLines` does.
 */
export function* parsedLines<Line>(
  texts: Iterable<string>,
  schema: Schema<Line>,
  path: string,
): Generator<Line> {
  let previous: string | undefined;
  let number = 0;
  for (const text of texts) {
    if (previous !== undefined) yield parseLine(previous, schema, () => `${path}: line ${number}`);
    previous = text;
    number++;
  }
  if (previous !== undefined && isJson(previous))
    yield parseLine(previous, schema, () => `${path}: line ${number}`);
}

/** Parses one line. Throws a UserError that begins with the text that `where` returns. */
export function parseLine<Line>(text: string, schema: Schema<Line>, where: () => string): Line {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(
      `${where()}: expected a JSON object, got \`${printable(text, 80)}\`; delete the line`,
    );
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(`${where()}: ${v.getDotPath(issue) ?? 'line'}: ${mismatch(issue)}; delete the line`);
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
