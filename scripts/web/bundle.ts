/** A page's script as one module. */
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { ORT_MODULE } from '../../src/runtime/web-files.ts';

/** ONNX Runtime is a file of its own, served beside: its threads start from it. */
const ortBeside: Plugin = {
  name: 'ort-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^onnxruntime-web/ }, () => ({ path: `./${ORT_MODULE}`, external: true }));
  },
};

/** `entry`: a module in src/web, `main.ts`. */
export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../../src/web/${entry}`, import.meta.url))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    plugins: [ortBeside],
  });
  return outputFiles.map(({ text }) => text).join('');
}
