/**
 * Many files in folders, each with the number of its class, in few bytes: a million names take 30 MB, where a million
 * texts would take 100. Pure: also for browsers.
 */

export interface FileList {
  readonly length: number;
  /** int32 [length]. */
  readonly labels: Int32Array;
  path(index: number): string;
}

/** Files of one folder, all of one class or of the class that `labels` says. */
export interface FolderFiles {
  /** What stands before a name: a folder and its separator. */
  readonly prefix: string;
  readonly names: readonly string[];
  readonly labels: number | readonly number[];
}

export function listFiles(folders: readonly FolderFiles[]): FileList {
  const length = folders.reduce((sum, { names }) => sum + names.length, 0);
  const labels = new Int32Array(length);
  const folderOf = new Int32Array(length);
  const ends = new Uint32Array(length);
  const parts: Uint8Array[] = [];
  let [bytes, index] = [0, 0];
  folders.forEach(({ names, labels: own }, folder) => {
    names.forEach((_, i) => {
      labels[index + i] = typeof own === 'number' ? own : (own[i] ?? 0);
      folderOf[index + i] = folder;
    });
    const encoded = names.map((name) => new TextEncoder().encode(name));
    for (const name of encoded) {
      bytes += name.length;
      ends[index++] = bytes;
    }
    parts.push(joined(encoded));
  });
  const text = joined(parts);
  return {
    length,
    labels,
    path(at) {
      const folder = folders[folderOf[at] ?? 0]?.prefix;
      if (!(at >= 0 && at < length) || folder === undefined)
        throw new Error(`internal: file ${at} of ${length}`);
      return folder + new TextDecoder().decode(text.subarray(at === 0 ? 0 : ends[at - 1], ends[at]));
    },
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
