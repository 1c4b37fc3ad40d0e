/** Whether this browser can run the model, and how the pages load one. */
import { messageOf, UserError } from '../errors.ts';
import { createResidentSession, createSession, wasmThreads } from '../runtime/ort.web.ts';
import type { NextState, ResidentSession, Session } from '../runtime/session.ts';
import { ORT_MODULE, ORT_WASM, ORT_WEBGPU_MODULE, ORT_WEBGPU_WASM } from '../runtime/web-names.ts';
import { fetched } from './fetched.ts';

/** A module with a v128 constant. It is valid only where the browser has SIMD. */
const SIMD = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11],
);

/** Throws UserError where the browser lacks WebAssembly or its SIMD. */
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

/** Loads a model for the processor. `name` is its name in errors. Throws UserError where it does not load. */
export function openSession(
  model: Uint8Array,
  name: string,
  options: { readonly optimize?: boolean } = {},
): Promise<Session> {
  const session = createSession(model, { device: 'cpu', threads: threadCount(), ...options });
  return orWhatIsMissing(session, name, [ORT_MODULE, ORT_WASM]);
}

/** Loads a training step whose state stays on the GPU. Throws UserError where it does not load. */
export function openResident(step: Uint8Array, name: string, next: NextState): Promise<ResidentSession> {
  const session = createResidentSession(step, { device: 'webgpu', threads: 0 }, next);
  return orWhatIsMissing(session, name, [ORT_WEBGPU_MODULE, ORT_WEBGPU_WASM]);
}

/** Where a model does not load, the error names the file that is missing beside the page, if one is. */
function orWhatIsMissing<S>(session: Promise<S>, name: string, files: readonly string[]): Promise<S> {
  return session.catch(async (error: unknown) => {
    for (const file of files) await fetched(file, 'HEAD');
    const message = messageOf(error);
    if (message.includes('fallback to CPU EP has been explicitly disabled'))
      throw new UserError(`${name} has an operator that does not run on WebGPU: take WebAssembly`);
    throw new UserError(`${name} does not load: ${message}`);
  });
}
