/** A page of a test's own, whose script imports this project as `ortgrad`. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { serve } from '../../src/cli/serve.ts';

const WASM = ['ort-wasm-simd-threaded.wasm', 'ort-wasm-simd-threaded.asyncify.wasm'];
const PLACES: Readonly<Record<string, string>> = {
  ortgrad: 'src/index.ts',
  '#runtime': 'src/runtime/ort.web.ts',
  '#host': 'src/fit/host.web.ts',
};

export interface ServedPage {
  /** What it serves, which a test may add to. */
  readonly folder: string;
  readonly origin: string;
  /** Ends the server, and removes the folder. */
  close(): void;
}

/** Bundles a module as a page's only script, and serves the page with ONNX Runtime's files. */
export async function servePage(main: string): Promise<ServedPage> {
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-page-'));
  writeFileSync(path.join(folder, 'main.js'), main);
  writeFileSync(
    path.join(folder, 'index.html'),
    '<!doctype html><title></title><script type="module" src="bundle/main.js"></script>',
  );
  await build({
    entryPoints: [path.join(folder, 'main.js')],
    bundle: true,
    format: 'esm',
    splitting: true,
    outdir: path.join(folder, 'bundle'),
    logLevel: 'error',
    plugins: [
      {
        name: 'places',
        setup({ onResolve }) {
          onResolve({ filter: /^(ortgrad|#runtime|#host)$/ }, ({ path: name }) => ({
            path: path.resolve(PLACES[name] ?? ''),
          }));
        },
      },
    ],
  });
  for (const file of WASM)
    cpSync(path.join('node_modules/onnxruntime-web/dist', file), path.join(folder, 'bundle', file));
  const server = await serve(folder);
  return {
    ...{ folder, origin: server.origin },
    close() {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}
