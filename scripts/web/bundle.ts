/** Bundles scripts of pages, each into one module. */
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin, type StdinOptions } from 'esbuild';
import { ORT_MODULE, ORT_WEBGPU_MODULE } from '../../src/runtime/web-names.ts';

const RUNTIME = fileURLToPath(new URL('../../src/runtime/ort.web.ts', import.meta.url));

/** Keeps ONNX Runtime out of the bundle, as a file that is served beside it: its threads start from that file. */
const ortBeside: Plugin = {
  name: 'ort-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^#runtime$/ }, () => ({ path: RUNTIME }));
    onResolve({ filter: /^onnxruntime-web/ }, ({ path }) => ({
      path: `./${path.endsWith('/webgpu') ? ORT_WEBGPU_MODULE : ORT_MODULE}`,
      external: true,
    }));
  },
};

/** Bundles a script for a browser, with what it imports. `entry` is a file, or the text of one. */
export async function bundle(entry: string | StdinOptions, options: BuildOptions = {}): Promise<string> {
  const { outputFiles = [] } = await build({
    ...(typeof entry === 'string' ? { entryPoints: [entry] } : { stdin: entry }),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    plugins: [ortBeside],
    ...options,
    write: false,
  });
  return outputFiles.map(({ text }) => text).join('');
}

/** A script of a page of this project: `main.ts` in src/web. */
export function bundlePage(entry: string): Promise<string> {
  return bundle(fileURLToPath(new URL(`../../src/web/${entry}`, import.meta.url)));
}
