import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';

/** Checks what a file or a caller says of a dataset. Throws a UserError that begins with `origin` and names the place. */
export function parseOptions<const Schema extends v.GenericSchema>(
  schema: Schema,
  json: unknown,
  origin: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? '';
  const where = path === '' ? origin : `${origin}: ${path}`;
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    throw new UserError(`${where}: unknown field; remove it or correct its name`);
  }
  throw new UserError(`${where}: ${mismatch(issue)}`);
}
