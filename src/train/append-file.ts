import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

/** A file that is only ever added to, a little at every training step. */
interface AppendFile {
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
 */
export function openAppendFile(path: string, flags: 'a' | 'ax' = 'a'): AppendFile {
  const file = openSync(path, flags);
  let buffered: Buffer[] = [];
  let writtenAt = Date.now();

  function write(): void {
    const bytes = Buffer.concat(buffered);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    buffered = [];
    writtenAt = Date.now();
  }

  return {
    append(chunk) {
      buffered.push(chunk);
      if (buffered.length >= BUFFERED_CHUNKS || Date.now() - writtenAt >= BUFFERED_MS) write();
    },
    flush() {
      write();
      fsyncSync(file);
    },
    close() {
      write();
      closeSync(file);
    },
  };
}
