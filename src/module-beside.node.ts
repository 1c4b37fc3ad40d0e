/** Modules that are found by their own place. Node only. */
import { extname } from 'node:path';

/** The module `./<name>` next to the one whose `import.meta.url` is given: both are .ts from source, and .js once compiled. */
export function moduleBeside(name: string, base: string): URL {
  return new URL(`./${name}${extname(base)}`, base);
}
