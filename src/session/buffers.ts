/** The parameters of a session as one row of numbers, as federated learning sends them. Also for browsers. */
import { show, UserError } from '../errors.ts';
import { expectBoolean } from '../expect.ts';
import type { Opened } from './open.ts';

/** The arrays of the trained parameters, or of all variables, in the order of buffers. */
function parametersOf({ core, training }: Opened, trainableOnly: boolean): readonly Float32Array[] {
  expectBoolean('trainableOnly', trainableOnly);
  const trained = new Set(core.variables.parameters.map(({ path }) => path));
  return training.order
    .filter((path) => !trainableOnly || trained.has(path))
    .map((path) => core.variables.array(path));
}

export function parametersSize(opened: Opened, trainableOnly: boolean): number {
  return parametersOf(opened, trainableOnly).reduce((size, array) => size + array.length, 0);
}

/** A copy. */
export function readParameters(opened: Opened, trainableOnly: boolean): Float32Array {
  const flat = new Float32Array(parametersSize(opened, trainableOnly));
  let end = 0;
  for (const array of parametersOf(opened, trainableOnly)) {
    flat.set(array, end);
    end += array.length;
  }
  return flat;
}

/** Throws UserError for a buffer of another size. */
export function writeParameters(opened: Opened, buffer: unknown, trainableOnly: boolean): void {
  const size = parametersSize(opened, trainableOnly);
  if (!(buffer instanceof Uint8Array) || buffer.length !== 4 * size) {
    const got = buffer instanceof Uint8Array ? `${buffer.length} bytes` : show(buffer);
    throw new UserError(
      `loadParametersBuffer: expected a Uint8Array of ${4 * size} bytes, ${size} float32 numbers as getParametersSize(${trainableOnly}) says, got ${got}`,
    );
  }
  const numbers = new Float32Array(new Uint8Array(buffer).buffer);
  let end = 0;
  for (const array of parametersOf(opened, trainableOnly)) {
    array.set(numbers.subarray(end, end + array.length));
    end += array.length;
  }
}
