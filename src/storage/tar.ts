/**
 * Tar archives (POSIX ustar): every system can unpack them. They are not compressed, because weights hardly get smaller.
 * Pure: also for browsers. No library is used, because an archive may come from anywhere: nanotar 0.3 checks neither
 * checksums nor sizes, and modern-tar 0.8 takes quadratic time for a malicious extended header. This reader's time and
 * memory are proportional to the archive, whatever its bytes are.
 */
import { show, UserError } from '../errors.ts';

/** A file with its path in a folder, written with slashes. */
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

/**
 * The files in an archive, as views of `bytes`; folders, links and extended headers are left out. Throws a UserError that
 * begins with `origin` if the bytes are not an archive, or it is truncated or damaged, or a path in it stands twice or
 * leads out of it.
 */
export function untar(bytes: Uint8Array, origin: string): NamedFile[] {
  const files = new Map<string, Uint8Array>();
  for (let at = 0; ; ) {
    const block = bytes.subarray(at, at + BLOCK);
    if (block.length < BLOCK) throw new UserError(`${origin}: ${at === 0 ? NO_TAR : TRUNCATED}`);
    if (block.every((byte) => byte === 0))
      return Array.from(files, ([path, each]) => ({ path, bytes: each }));
    const [sum, size] = [octalIn(block, 'sum'), octalIn(block, 'size')];
    const damage = (what: string) => new UserError(`${origin}: byte ${at}: ${what}; take another copy`);
    if (sum !== sumOf(block))
      throw at === 0 ? new UserError(`${origin}: ${NO_TAR}`) : damage('it is damaged');
    if (size === undefined) throw damage('the size of a file is not an octal number, or over 8 GB');
    const begin = at + BLOCK;
    if (begin + size > bytes.length) throw new UserError(`${origin}: ${TRUNCATED}`);
    if (['0', ''].includes(textIn(block, 'type'))) {
      const path = pathIn(block);
      if (path.startsWith('/') || path.split('/').includes('..'))
        throw damage(`the path ${show(path)} leads out of the archive`);
      if (files.has(path)) throw damage(`the path ${show(path)} occurs a second time`);
      files.set(path, bytes.subarray(begin, begin + size));
    }
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
}

const NO_TAR = 'expected a tar archive of a run, as the page saves it, got something else';
const TRUNCATED = 'it ends too early: the archive is truncated; take another copy';

function textIn(block: Uint8Array, field: keyof typeof FIELDS): string {
  const [offset, length] = FIELDS[field];
  const [text = ''] = new TextDecoder().decode(block.subarray(offset, offset + length)).split('\0', 1);
  return text;
}

/** Never negative. Undefined if the field is not octal: some programs write larger sizes as binary numbers. */
function octalIn(block: Uint8Array, field: keyof typeof FIELDS): number | undefined {
  const text = textIn(block, field).trim();
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

function pathIn(block: Uint8Array): string {
  const [prefix, name] = [textIn(block, 'prefix'), textIn(block, 'name')];
  return (prefix === '' ? name : `${prefix}/${name}`).replace(/^\.\//, '');
}

/** The sum of a header's bytes, with the bytes of the sum itself counted as spaces. */
function sumOf(block: Uint8Array): number {
  const [from, length] = FIELDS.sum;
  return block.reduce((sum, byte, i) => sum + (i >= from && i < from + length ? 32 : byte), 0);
}
