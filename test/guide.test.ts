/** Every block of the guide, in its order on a page, is one program in strict TypeScript that runs. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import registerTest from 'ava';
import { transform } from 'esbuild';
import ts from 'typescript';
import { NODE_FLAGS, placeOf } from './_node.ts';

const GUIDE = 'docs/guide';
const run = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-guide-'));
const SOURCE = path.relative(folder, 'src/index.ts');
const all = readdirSync(GUIDE).filter((name) => name !== 'README.md');
/** A page of tables alone has no program. */
const pages = all.filter((name) => readFileSync(path.join(GUIDE, name), 'utf8').includes('```ts\n'));
const test = registerTest.serial;

registerTest.after.always(() => rmSync(folder, { recursive: true }));

/** A page's program, in a file. */
function write(page: string): string {
  const text = readFileSync(path.join(GUIDE, page), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);
  const program = blocks.join('\n').replace("from 'ortgrad'", `from '${SOURCE}'`);
  const file = path.join(folder, page.replace('.md', '.mts'));
  writeFileSync(file, program);
  return file;
}

test('the guide lists its pages', (t) => {
  const list = readFileSync(path.join(GUIDE, 'README.md'), 'utf8');
  const linked = [...list.matchAll(/\]\((.*?\.md)\)/g)].map(([, page]) => page ?? '');
  t.deepEqual(linked.toSorted(), all);
  t.true(pages.length > 0);
});

test('its programs are strict TypeScript', (t) => {
  const files = pages.map(write);
  const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, path.resolve('.'));
  const program = ts.createProgram(files, {
    ...options,
    noUnusedLocals: false,
    rewriteRelativeImportExtensions: false,
    typeRoots: [path.resolve('node_modules/@types')],
  });
  const wrong = files.flatMap((file) => {
    const source = program.getSourceFile(file);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText, start = 0 }) => {
      const { line = 0 } = source?.getLineAndCharacterOfPosition(start) ?? {};
      return `${path.basename(file)}: ${source?.text.split('\n')[line]}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
  t.deepEqual(wrong, []);
});

for (const page of pages) {
  test(`${page} runs`, async (t) => {
    const program = readFileSync(write(page), 'utf8').replace(SOURCE, placeOf('src/index.ts'));
    const script = path.join(folder, page.replace('.md', '.mjs'));
    writeFileSync(script, (await transform(program, { loader: 'ts' })).code);
    const { stdout } = await run(process.execPath, [...NODE_FLAGS, script], { cwd: folder });
    t.false(/NaN|undefined/.test(stdout), stdout);
    t.true(stdout.length > 0);
  });
}
