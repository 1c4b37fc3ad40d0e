/** The task of a spec that names an ONNX file, from that file. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { asked, UserError } from '../errors.ts';
import { type ImportedModel, importModel } from '../import/import-model.ts';
import type { LoraOptions } from '../import/lora.ts';
import { fileError } from '../system-error.ts';
import { importedTask } from './imported.ts';
import type { OnnxSpec } from './spec.ts';
import type { Task } from './task.ts';

/** The bytes of an ONNX file, and what it keeps in other files beside it. */
export interface OnnxBytes {
  readonly bytes: Uint8Array;
  /** By their place in the file's folder, the files that its weights were read from so far. */
  readonly external: ReadonlyMap<string, Uint8Array>;
}
