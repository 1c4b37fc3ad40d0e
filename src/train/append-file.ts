import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';

/** A file that is only ever added to, a little at every training step. */
interface AppendFile {
  /** Throws a UserError that names the file where it cannot be written any more, as `flush` and `close` do. */
  append(chunk: Buffer): void;
  /** Puts everything appended so far on the disk itself; call it before a checkpoint that relies on it. */
  flush(): void;
  close(): void;
}

const BUFFERED_CHUNKS = 256;
const BUFFERED_MS = 1000;

/**
 * Opens `path` for appending ('ax': and fails where it exists). A step costs a push onto an array; the buffer is
 * written once a second or every 256 chunks, synchronously, so that nothing is left in flight when a process ends.
 * Throws a UserError where it cannot be opened.
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
    // Also where writing fails: closing the file must not fail again over what is lost already.
    buffered = [];
    writtenAt = Date.now();
    if (bytes.length === 0) return;
    // A removed file would take all that is written without a word.
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
