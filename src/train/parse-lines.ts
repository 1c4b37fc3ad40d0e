/** The text of a file of one JSON object a line. Pure: also for browsers. */
import * as v from 'valibot';
import { mismatch, printable, UserError } from '../errors.ts';

/** All complete lines, also of a file still being written. Throws a UserError that names the file, `path`, and the line. */
export function parseLines<Line>(
  content: string,
  schema: v.GenericSchema<unknown, Line>,
  path: string,
): { text: string; record: Line }[] {
  const lines = content.split('\n');
  const unfinished = lines.pop();
  if (unfinished !== undefined && isJson(unfinished)) lines.push(unfinished);
  return lines.map((text, i) => ({ text, record: parseLine(text, schema, `${path}: line ${i + 1}`) }));
}

function parseLine<Line>(text: string, schema: v.GenericSchema<unknown, Line>, where: string): Line {
  if (!isJson(text))
    throw new UserError(`${where}: expected a JSON object, got \`${printable(text, 80)}\`; delete the line`);
  const result = v.safeParse(schema, JSON.parse(text));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(`${where}: ${v.getDotPath(issue) ?? 'line'}: ${mismatch(issue)}; delete the line`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
