/** A page's script as one module. */
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { ORT_MODULE, ORT_WEBGPU_MODULE } from '../../src/runtime/web-files.ts';

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

export function bundlePage(): Promise<string> {
  return bundle(fileURLToPath(new URL('../../src/web/main.ts', import.meta.url)));
}

export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    write: false,
    plugins: [ortBeside],
  });
  return outputFiles.map(({ text }) => text).join('');
}
