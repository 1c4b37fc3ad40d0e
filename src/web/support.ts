/** What this browser offers of what the pages compute with. */
import { messageOf, UserError } from '../errors.ts';
import { createResidentSession, createSession, wasmThreads } from '../runtime/ort.web.ts';
import type { NextState, ResidentSession, Session } from '../runtime/session.ts';
import { ORT_MODULE, ORT_WASM, ORT_WEBGPU_MODULE, ORT_WEBGPU_WASM } from '../runtime/web-names.ts';
import { fetched } from './fetched.ts';

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

/** Loads a model for the processor; `name` stands for it in errors. Throws UserError. */
export function openSession(
  model: Uint8Array,
  name: string,
  options: { readonly optimize?: boolean } = {},
): Promise<Session> {
  const session = createSession(model, { device: 'cpu', threads: threadCount(), ...options });
  return orWhatIsMissing(session, name, [ORT_MODULE, ORT_WASM]);
}

/** The same for a training step whose state stays on the GPU. */
export function openResident(step: Uint8Array, name: string, next: NextState): Promise<ResidentSession> {
  const session = createResidentSession(step, { device: 'webgpu', threads: 0 }, next);
  return orWhatIsMissing(session, name, [ORT_WEBGPU_MODULE, ORT_WEBGPU_WASM]);
}

/** Where a model does not load because a file is missing beside the page, the error is that file's. */
function orWhatIsMissing<S>(session: Promise<S>, name: string, files: readonly string[]): Promise<S> {
  return session.catch(async (error: unknown) => {
    for (const file of files) await fetched(file, 'HEAD');
    throw new UserError(`${name} does not load: ${messageOf(error)}`);
  });
}
