/** What host.node.ts has, in a page, which has neither files nor a terminal. */
import { messageOf, UserError } from '../errors.ts';
import type { LiveLine } from '../terminal/live-line.node.ts';

export async function readBytes(file: string): Promise<Uint8Array> {
  throw new UserError(
    `${file}: a page reads no files; give bytes: new Uint8Array(await (await fetch(url)).arrayBuffer())`,
  );
}

/** What lies at an address: in a page a URL, which is fetched. Throws UserError where it cannot be. */
export async function readAddress(address: string): Promise<Uint8Array> {
  const response = await fetch(address).catch((error: unknown) => {
    throw new UserError(`${address}: it cannot be fetched (${messageOf(error)}); check the address`);
  });
  if (!response.ok)
    throw new UserError(`${address}: the server answered ${response.status}; put the file there`);
  return new Uint8Array(await response.arrayBuffer());
}

export async function writeBytes(file: string, _bytes: Uint8Array): Promise<void> {
  throw new UserError(
    `${file}: a page writes no files; leave the path out, and keep the bytes that are returned`,
  );
}

export function progressLine(_draw: () => string): LiveLine | undefined {
  return undefined;
}
