/** What an error of the operating system means and what to do about it, by the code that Node reports. Pure. */
import { messageOf, UserError } from './errors.ts';

const MEANINGS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder; check the path',
  EACCES: 'permission denied; change its permissions or take another path',
  EPERM: 'operation not permitted; change its permissions or take another path',
  EROFS: 'the file system is read-only; take a path on another one',
  ENOSPC: 'the disk is full; free some space or take a path on another disk',
  EDQUOT: 'the disk quota is used up; free some space or take a path on another disk',
  EFBIG:
    'the file is larger than the file system or the shell allows; take another disk, or raise the limit (ulimit -f)',
  EISDIR: 'it is a folder, expected a file; check the path',
  ENOTDIR: 'a part of the path is a file, expected a folder; check the path',
  EEXIST: 'it exists already; remove it or take another path',
  EMFILE: 'too many open files; raise the limit, for example with: ulimit -n 4096',
  ENFILE: 'too many open files on this machine; close other programs',
  EIO: 'the disk failed to read or write; check it',
};

/** What `error` means and what to do, or undefined if it is not an error of the operating system. */
export function systemErrorMeaning(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return MEANINGS[error.code];
}

/** The same, with the path in front if the error has one. */
export function systemErrorMessage(error: unknown): string | undefined {
  const meaning = systemErrorMeaning(error);
  const path = error instanceof Error && 'path' in error ? `${String(error.path)}: ` : '';
  return meaning === undefined ? undefined : path + meaning;
}

/** A UserError that names `path`. Node itself names no path if the file was open already. */
export function fileError(error: unknown, path: string): UserError {
  if (error instanceof UserError) return error;
  return new UserError(`${path}: ${systemErrorMeaning(error) ?? messageOf(error)}`);
}
