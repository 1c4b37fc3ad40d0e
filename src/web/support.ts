/** What this browser offers of what the pages compute with. */
import { UserError } from '../errors.ts';
import { wasmThreads } from '../runtime/ort.web.ts';

/** A function of one v128 constant: valid only where SIMD is. */
const SIMD = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11],
);

/** Throws UserError where WebAssembly or its vectors are missing. */
export function expectSimd(): void {
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(SIMD)) {
    throw new UserError(
      'This browser has no WebAssembly SIMD, which the model runs on: take Chrome or Edge 91, Firefox 89, Safari 16.4, or later',
    );
  }
}

/** How many threads ONNX Runtime gets. */
export function threadCount(): number {
  return wasmThreads(Math.min(4, navigator.hardwareConcurrency));
}
