import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The file of a script beside the module of that URL, which node is started with: `.ts`, or `.js` where the tests are compiled. */
export function scriptBeside(url: string, name: string): string {
  return fileURLToPath(new URL(`${name}${path.extname(url)}`, url));
}
