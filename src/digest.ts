/** Digests of files and of values, to notice damage. Pure: also for browsers. */
import { UserError } from './errors.ts';

/** In hexadecimal digits. Throws UserError in a page that came by plain http, where browsers offer no SHA-256. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // The types say it is always there. It is undefined in a page that came neither by https nor from this machine.
  const subtle: SubtleCrypto | undefined = globalThis.crypto.subtle;
  if (!subtle) {
    throw new UserError(
      'Checkpoints need SHA-256, which browsers do not offer to pages that come by http from another machine: open this page by https, or from localhost',
    );
  }
  const digest = new Uint8Array(await subtle.digest('SHA-256', new Uint8Array(bytes)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The digest of a JSON value. The order of keys and the layout of the text do not matter. */
export function digestOf(value: unknown): Promise<string> {
  const text = JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
  return sha256(new TextEncoder().encode(text));
}

/** The object with a field `digest` added: the digest of all other fields. */
export async function withDigest<T extends object>(content: T): Promise<T & { readonly digest: string }> {
  return { ...content, digest: await digestOf(content) };
}

/** Whether a value is unchanged since `withDigest`. One without a digest counts as unchanged: old files have none. */
export async function isIntact(json: unknown): Promise<boolean> {
  if (typeof json !== 'object' || json === null || !('digest' in json)) return true;
  const { digest, ...content } = json;
  return digest === (await digestOf(content));
}
