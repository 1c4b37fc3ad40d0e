/** Runs this repository's modules in processes of their own: by tsx or, where the tests are compiled, as they are. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The place of a module: `src/index.ts`. */
export function placeOf(module: string): string {
  const name = module.replace(/\.ts$/, path.extname(import.meta.url));
  return fileURLToPath(new URL(`../${name}`, import.meta.url));
}

/** What node is given before a script that imports such modules, in any folder. */
export const NODE_FLAGS: readonly string[] = process.execArgv.map((flag) =>
  flag === '--import=tsx' ? `--import=${import.meta.resolve('tsx')}` : flag,
);

/** Arguments of node which run the module, with arguments of its own. */
export function running(module: string, ...args: readonly string[]): string[] {
  return [...NODE_FLAGS, placeOf(module), ...args];
}
