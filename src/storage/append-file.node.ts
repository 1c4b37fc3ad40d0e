import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';

/** A file that only grows, by a little at every training step. */
interface AppendFile {
  /** Throws a UserError that names the file if it cannot be written. So do `flush` and `close`. */
  append(chunk: Buffer): void;
  /** Writes and syncs everything appended so far; call it before a checkpoint that relies on it. */
  flush(): void;
  close(): void;
}

const BUFFERED_CHUNKS = 256;
const BUFFERED_MS = 1000;

/**
 * Opens `path` for appending; with 'ax' the file must not exist yet. Appending only pushes onto an array, so that a
 * training step does not wait for the disk. The array is written once a second or every 256 chunks. It is written
 * synchronously, so that nothing is in flight when the process ends. Throws a UserError if the file cannot be opened.
 */
export function openAppendFile(path: string, flags: 'a' | 'ax' = 'a'): AppendFile {
  const named = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw fileError(error, path);
    }
  };
  const file = named(() => openSync(path, flags));
  let buffered: Buffer[] = [];
  let writtenAt = Date.now();

  function write(): void {
    const bytes = Buffer.concat(buffered);
    // Emptied before writing: if the write fails, closing the file must not fail again over the same bytes.
    buffered = [];
    writtenAt = Date.now();
    if (bytes.length === 0) return;
    // Writing to a removed file succeeds silently, and the bytes are lost.
    if (fstatSync(file).nlink === 0) {
      throw new UserError(`${path}: the file was removed or replaced during the run; the run stops here`);
    }
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  }

  return {
    append(chunk) {
      buffered.push(chunk);
      if (buffered.length >= BUFFERED_CHUNKS || Date.now() - writtenAt >= BUFFERED_MS) named(write);
    },
    flush() {
      named(() => {
        write();
        fsyncSync(file);
      });
    },
    close() {
      try {
        named(write);
      } finally {
        closeSync(file);
      }
    },
  };
}
