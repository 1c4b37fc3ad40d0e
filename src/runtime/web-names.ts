/** The names of ONNX Runtime's files in a browser. Pure. */

/** The name under which a page of this project imports ONNX Runtime. */
export const ORT_MODULE = 'ort.js';
/** The same for its build with WebGPU, which ort.web.ts imports when a session wants that device. */
export const ORT_WEBGPU_MODULE = 'ort-webgpu.js';

/** The WebAssembly of each build, which it looks for beside its own file. */
export const ORT_WASM = 'ort-wasm-simd-threaded.wasm';
export const ORT_WEBGPU_WASM = 'ort-wasm-simd-threaded.asyncify.wasm';
