/** Scripts of pages, each as one module. */
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin, type StdinOptions } from 'esbuild';
import { ORT_MODULE, ORT_WEBGPU_MODULE } from '../../src/runtime/web-names.ts';

/** ONNX Runtime is a file of its own, served beside: its threads start from it. */
const ortBeside: Plugin = {
  name: 'ort-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^onnxruntime-web/ }, ({ path }) => ({
      path: `./${path.endsWith('/webgpu') ? ORT_WEBGPU_MODULE : ORT_MODULE}`,
      external: true,
    }));
  },
};

/** A script, a file or what one would say, and what it imports, for a browser. */
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
