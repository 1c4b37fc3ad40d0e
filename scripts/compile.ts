/**
 * Compiles src, scripts and test to build/, for `npm test`: a mirror of the repository with a .js beside each .ts. From
 * source tsx loads every module of every process and thread anew, which takes most of the time of short ones.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const OUT = 'build';
const COMPILED = ['src', 'scripts', 'test'];
/** What modules find by their own place. */
const LINKED = ['graphs', 'recipes'];

const files = (
  await Promise.all(COMPILED.map((folder) => readdir(folder, { recursive: true, withFileTypes: true })))
)
  .flat()
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => path.join(parentPath, name));

rmSync(OUT, { recursive: true, force: true });
await build({
  entryPoints: files.filter((file) => file.endsWith('.ts')),
  outdir: OUT,
  outbase: '.',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Each file stays a module of its own, which imports the others by their new names.
  bundle: true,
  plugins: [
    {
      name: 'import-js',
      setup({ onResolve }) {
        onResolve({ filter: /./ }, ({ path: specifier, kind }) =>
          kind === 'entry-point'
            ? undefined
            : { path: specifier.replace(/^(\..*)\.ts$/, '$1.js'), external: true },
        );
      },
    },
  ],
});

function link(name: string): void {
  const place = path.join(OUT, name);
  mkdirSync(path.dirname(place), { recursive: true });
  symlinkSync(path.resolve(name), place);
}
[...LINKED, ...files].forEach(link);

const { name, type, imports } = JSON.parse(readFileSync('package.json', 'utf8'));
const moved = JSON.parse(JSON.stringify(imports).replaceAll('./dist/', './src/'));
writeFileSync(path.join(OUT, 'package.json'), JSON.stringify({ name, type, imports: moved }));
