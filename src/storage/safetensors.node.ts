/** A safetensors file on disk. */
import { readFile } from 'node:fs/promises';
import { fileError } from '../system-error.ts';
import { decodeSafetensors, type NamedTensor } from './safetensors.ts';

/** The tensors of a file. Throws a UserError where it cannot be read, or is none. */
export async function readSafetensors(path: string): Promise<readonly NamedTensor[]> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError(error, path);
  });
  return decodeSafetensors(bytes, path).tensors;
}
