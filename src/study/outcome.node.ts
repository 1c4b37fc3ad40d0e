/** `outcome.json` in a cell's folder: how its run ended. A cell that has not begun, or was interrupted, has none. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { mismatch, UserError } from '../errors.ts';
import { readJsonFile } from '../json-file.node.ts';
import { Info } from '../storage/metrics.ts';
import { writeJson } from '../whole-file.node.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const outcomeSchema = v.object({
  /** `diverged`: its loss or gradient was not finite. `failed`: anything else, such as too little memory. */
  state: v.picklist(['done', 'diverged', 'failed']),
  /** Why the run diverged or failed; null where it did not. */
  message: v.nullable(v.string()),
  /** The steps that the run planned; null where it failed before planning them. */
  warmupSteps: v.nullable(count),
  totalSteps: v.nullable(count),
  /** Training examples in an epoch. */
  trainExamples: count,
  /** How the run's metrics are shown. Missing where it did not end well, and in old files. */
  metrics: v.exactOptional(v.array(Info)),
});

export type CellOutcome = Readonly<v.InferOutput<typeof outcomeSchema>>;

const FILE = 'outcome.json';

/** How the cell ended; undefined where it is not over. Throws a UserError where the file is broken. */
export async function readOutcome(folder: string): Promise<CellOutcome | undefined> {
  const path = join(folder, FILE);
  if (!existsSync(path)) return undefined;
  const result = v.safeParse(outcomeSchema, renamed(await readJsonFile(path)));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(
    `${path}: ${v.getDotPath(issue) ?? 'outcome'}: ${mismatch(issue)}; delete the file to run the cell again`,
  );
}

/** Files of old studies call the training examples images. */
function renamed(json: unknown): unknown {
  if (typeof json !== 'object' || json === null || !('trainImages' in json)) return json;
  const { trainImages, ...rest } = json;
  return { trainExamples: trainImages, ...rest };
}

export function writeOutcome(folder: string, outcome: CellOutcome): Promise<void> {
  return writeJson(join(folder, FILE), outcome);
}
