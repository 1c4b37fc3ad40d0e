/**
 * Several files in one, as tar has them (POSIX ustar): every system unpacks it, and nothing is compressed, as weights
 * hardly can be. Pure: also for browsers.
 */
import { UserError } from '../errors.ts';

/** A file with its path in a folder, by slashes. */
export interface NamedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const BLOCK = 512;
/** Where a header has its fields: offset and length. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  size: [124, 12],
  time: [136, 12],
  sum: [148, 8],
  type: [156, 1],
  magic: [257, 6],
  version: [263, 2],
  prefix: [345, 155],
} as const;

/** The archive, as pieces to be written in order; the files' bytes are not copied. Paths have at most 100 bytes. */
export function tar(files: readonly NamedFile[], modified: Date): Uint8Array[] {
  const pieces = files.flatMap(({ path, bytes }) => [
    header(path, bytes.length, modified),
    bytes,
    new Uint8Array(-bytes.length & (BLOCK - 1)),
  ]);
  return [...pieces, new Uint8Array(2 * BLOCK)];
}

function header(path: string, size: number, modified: Date): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const write = (field: keyof typeof FIELDS, text: string): void => {
    const bytes = new TextEncoder().encode(text);
    const [offset, length] = FIELDS[field];
    if (bytes.length > length) throw new Error(`internal: ${field} ${text} has more than ${length} bytes`);
    block.set(bytes, offset);
  };
  const octal = (value: number): string => Math.floor(value).toString(8).padStart(11, '0');
  write('name', path);
  write('mode', '0000644');
  write('size', octal(size));
  write('time', octal(modified.getTime() / 1000));
  write('type', '0');
  write('magic', 'ustar');
  write('version', '00');
  write('sum', `${sumOf(block).toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** The files in an archive; they are views of `bytes`. Throws a UserError for anything else; `origin` names it. */
export function untar(bytes: Uint8Array, origin: string): NamedFile[] {
  const files: NamedFile[] = [];
  for (let at = 0; ; ) {
    const block = bytes.subarray(at, at + BLOCK);
    if (block.length < BLOCK) throw new UserError(`${origin}: ${at === 0 ? NO_TAR : TRUNCATED}`);
    if (block.every((byte) => byte === 0)) return files;
    const text = (field: keyof typeof FIELDS): string => {
      const [offset, length] = FIELDS[field];
      const [first = ''] = new TextDecoder().decode(block.subarray(offset, offset + length)).split('\0', 1);
      return first;
    };
    if (Number.parseInt(text('sum'), 8) !== sumOf(block)) {
      throw new UserError(
        `${origin}: ${at === 0 ? NO_TAR : `it is damaged at byte ${at}; take another copy`}`,
      );
    }
    const [begin, size] = [at + BLOCK, Number.parseInt(text('size'), 8)];
    if (begin + size > bytes.length) throw new UserError(`${origin}: ${TRUNCATED}`);
    const prefix = text('prefix');
    // Folders, links and the notes that some programs add are no files.
    if (['0', ''].includes(text('type'))) {
      const path = prefix === '' ? text('name') : `${prefix}/${text('name')}`;
      files.push({ path: path.replace(/^\.\//, ''), bytes: bytes.subarray(begin, begin + size) });
    }
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
}

const NO_TAR = 'expected a tar archive of a run, as the page saves it, got something else';
const TRUNCATED = 'it ends too early: the archive is truncated; take another copy';

/** The sum of a header's bytes, those of the sum itself taken as spaces. */
function sumOf(block: Uint8Array): number {
  const [from, length] = FIELDS.sum;
  return block.reduce((sum, byte, i) => sum + (i >= from && i < from + length ? 32 : byte), 0);
}
