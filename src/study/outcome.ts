/** `outcome.json` in a cell's folder: how its training run ended. None there: it has not begun, or was interrupted. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.ts';
import { writeJson } from '../whole-file.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const outcomeSchema = v.object({
  /** `diverged`: its loss or gradient was not finite. `failed`: anything else, such as too little memory. */
  state: v.picklist(['done', 'diverged', 'failed']),
  /** What the run said when it diverged or failed. */
  message: v.nullable(v.string()),
  /** What the run meant to do; null where it failed before that was known. */
  warmupSteps: v.nullable(count),
  totalSteps: v.nullable(count),
  /** In an epoch. */
  trainImages: count,
});

export type CellOutcome = Readonly<v.InferOutput<typeof outcomeSchema>>;

const FILE = 'outcome.json';

/** Undefined where the cell is not over. Throws a UserError where the file is broken. */
export async function readOutcome(folder: string): Promise<CellOutcome | undefined> {
  const path = join(folder, FILE);
  if (!existsSync(path)) return undefined;
  const result = v.safeParse(outcomeSchema, await readJsonFile(path));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(
    `${path}: ${v.getDotPath(issue) ?? 'outcome'}: ${mismatch(issue)}; delete the file to run the cell again`,
  );
}

export function writeOutcome(folder: string, outcome: CellOutcome): Promise<void> {
  return writeJson(join(folder, FILE), outcome);
}
