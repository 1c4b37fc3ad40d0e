import { readFile } from 'node:fs/promises';
import { UserError } from './errors.ts';
import { fileError } from './system-error.ts';

/** The value in a JSON file. Throws a UserError that names the file and, if it is not JSON, the line. */
export async function readJsonFile(path: string): Promise<unknown> {
  return parseJson(await readText(path), path);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path);
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const position = /at position (\d+)/.exec(reason)?.[1];
    const line = position === undefined ? '' : `:${text.slice(0, Number(position)).split('\n').length}`;
    throw new UserError(`${path}${line}: not valid JSON: ${reason.replace(/\s*\n\s*/g, ' ')}`);
  }
}
