/** The files of onnxruntime-web that a page needs beside it. Node only. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { UserError } from '../errors.ts';

/** The name under which a page imports ONNX Runtime; its wasm lies beside it under its own name. */
export const ORT_MODULE = 'ort.js';
export const ORT_WASM = 'ort-wasm-simd-threaded.wasm';

/** Where each file lies, by the name that it has in the page's folder. Throws UserError where the package is missing. */
export function webFiles(): ReadonlyMap<string, string> {
  const folder = path.dirname(entry());
  return new Map([
    [ORT_MODULE, path.join(folder, 'ort.wasm.bundle.min.mjs')],
    [ORT_WASM, path.join(folder, ORT_WASM)],
  ]);
}

function entry(): string {
  try {
    return createRequire(import.meta.url).resolve('onnxruntime-web/wasm');
  } catch {
    throw new UserError(
      '--web: expected the package onnxruntime-web, whose files are served with the page; run npm install onnxruntime-web',
    );
  }
}
