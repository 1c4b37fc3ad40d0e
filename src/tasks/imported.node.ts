/** The task of a spec that names an ONNX file, from that file. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../errors.ts';
import type { ImportedModel } from '../import/import-model.ts';
import { fileError } from '../system-error.ts';
import { importFor, naming } from './import-for.ts';
import { importedTask } from './imported.ts';
import type { OnnxSpec } from './spec.ts';
import type { Task } from './task.ts';

/** An ONNX file that is read. */
export interface OnnxBytes {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  /** Bytes of the files beside it that hold its weights. Throws UserError for one that is not in its folder. */
  external(location: string, offset: number, length: number): Uint8Array;
}

/** Reads an ONNX file. Throws UserError where that cannot be read. */
export async function readOnnx(file: string): Promise<OnnxBytes> {
  const bytes = await readBytes(file);
  const folder = path.dirname(path.resolve(file));
  return {
    bytes,
    sha256: sha256Of(bytes),
    external: (location, offset, length) => readExternal(folder, location, offset, length),
  };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function readExternal(folder: string, location: string, offset: number, length: number): Uint8Array {
  const file = path.resolve(folder, location);
  try {
    const real = realpathSync(file);
    const inside = path.relative(realpathSync(folder), real);
    if (inside.startsWith('..') || path.isAbsolute(inside)) {
      throw new UserError(`${location}: expected a file with weights in ${folder}, got one outside of it`);
    }
    const handle = openSync(real, 'r');
    try {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const read = readSync(handle, out, at, length - at, offset + at);
        if (read === 0)
          throw new UserError(
            `${file}: expected ${length} bytes from ${offset} on, got ${at}; it is cut short`,
          );
        at += read;
      }
      return out;
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw error instanceof UserError ? error : fileError(error, file);
  }
}

/** A model that a spec describes, with the bytes that it is of. */
export interface OpenedOnnx {
  readonly file: OnnxBytes;
  readonly model: ImportedModel;
}

/**
 * Reads the file of a spec. Throws a UserError that names the file: where it is missing, is another one than the spec was
 * written for, or is no model that can be trained so.
 */
export async function openOnnx(spec: OnnxSpec, file: string): Promise<OpenedOnnx> {
  const read = await readOnnx(file);
  if (read.sha256 !== spec.sha256) {
    throw new UserError(
      `${file}: it is not the file that the spec was written for (SHA-256 ${read.sha256.slice(0, 12)}…, expected ${spec.sha256.slice(0, 12)}…); restore it, or write the spec anew with ortgrad artifacts`,
    );
  }
  const { external } = read;
  return { file: read, model: naming(file, () => importFor(read.bytes, spec, external)) };
}

/** The task of a spec, from `file`. Throws UserError as `openOnnx` does, and where the output does not fit the loss. */
export async function readTask(spec: OnnxSpec, file: string): Promise<Task> {
  const { model } = await openOnnx(spec, file);
  return naming(file, () => importedTask(model, spec));
}

/** The bytes of a file. Throws UserError where it cannot be read. */
export function readBytes(file: string): Promise<Uint8Array> {
  return readFile(file).catch((error: unknown) => {
    throw fileError(error, file);
  });
}
