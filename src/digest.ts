/** Digests of files and of values, by which damage is noticed. Pure: also for browsers. */
import { UserError } from './errors.ts';

/** In hexadecimal digits. Throws UserError in a page that browsers do not trust with it. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Undefined in a page that came neither by https nor from this machine, whatever the types say.
  const subtle: SubtleCrypto | undefined = globalThis.crypto.subtle;
  if (!subtle) {
    throw new UserError(
      'Checkpoints need SHA-256, which browsers keep from pages of other machines that come by http: open this page by https, or from localhost',
    );
  }
  const digest = new Uint8Array(await subtle.digest('SHA-256', new Uint8Array(bytes)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Of a value as JSON: neither the order of keys nor how the text is laid out matters. */
export function digestOf(value: unknown): Promise<string> {
  const text = JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
  return sha256(new TextEncoder().encode(text));
}

/** An object with the digest of all its other fields beside them. */
export async function withDigest<T extends object>(content: T): Promise<T & { readonly digest: string }> {
  return { ...content, digest: await digestOf(content) };
}

/** Whether what was read still is what `withDigest` made. So is what has no digest: it was written before there were any. */
export async function isIntact(json: unknown): Promise<boolean> {
  if (typeof json !== 'object' || json === null || !('digest' in json)) return true;
  const { digest, ...content } = json;
  return digest === (await digestOf(content));
}
