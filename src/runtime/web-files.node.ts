/** The files of onnxruntime-web that a page needs beside it. Node only. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { UserError } from '../errors.ts';
import { ORT_MODULE, ORT_WASM, ORT_WEBGPU_MODULE, ORT_WEBGPU_WASM } from './web-names.ts';

/**
 * Where each file lies, by its name in the page's folder. With `webgpu`, also the files for WebGPU. Throws UserError, which
 * begins with `what` asked for them, if the package is missing.
 */
export function webFiles({ webgpu = false, what = '--web' } = {}): ReadonlyMap<string, string> {
  const folder = path.dirname(entry(what));
  const own = (name: string): [string, string] => [name, path.join(folder, name)];
  return new Map([
    [ORT_MODULE, path.join(folder, 'ort.wasm.bundle.min.mjs')],
    own(ORT_WASM),
    ...(webgpu
      ? [[ORT_WEBGPU_MODULE, path.join(folder, 'ort.webgpu.bundle.min.mjs')] as const, own(ORT_WEBGPU_WASM)]
      : []),
  ]);
}

function entry(what: string): string {
  try {
    return createRequire(import.meta.url).resolve('onnxruntime-web/wasm');
  } catch {
    throw new UserError(
      `${what}: expected the package onnxruntime-web, whose files are served with the page; run npm install onnxruntime-web`,
    );
  }
}
