/** The folder that is served to the browser: scripts and wasm files of all subjects. */
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { webFiles } from '../../../src/runtime/web-files.node.ts';
import { bundle } from '../../web/bundle.ts';
import type { WebPeer } from './peers.ts';

/** The name of our module in the folder. */
export const OURS = 'ortgrad.js';

/** The name of a peer's module. */
export function moduleOf({ script }: WebPeer): string {
  return path.basename(script);
}

export async function writeSite(folder: string, peers: readonly WebPeer[]): Promise<void> {
  const script = async (name: string, from: string) =>
    writeFileSync(path.join(folder, name), await bundle(from));
  const own = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  writeFileSync(
    path.join(folder, 'index.html'),
    '<!doctype html><title>Benchmark</title><script type="module" src="page.js"></script>\n',
  );
  await script('page.js', own('page.ts'));
  await script(OURS, own('ortgrad.ts'));
  for (const peer of peers) await script(moduleOf(peer), peer.script);
  for (const [name, from] of webFiles()) copyFileSync(from, path.join(folder, name));
  for (const file of peers.flatMap(({ files }) => files))
    copyFileSync(file, path.join(folder, path.basename(file)));
}
