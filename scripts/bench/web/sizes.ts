/** What a page downloads of each library: its scripts, minified, and its wasm files. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { webFiles } from '../../../src/runtime/web-files.node.ts';
import { bundle } from '../../web/bundle.ts';
import type { Section } from '../section.ts';
import { WEB_PEERS_FOLDER, type WebPeer } from './peers.ts';

export interface SizeRow {
  readonly subject: string;
  readonly minified_kb: number;
  readonly compressed_kb: number;
}

export async function benchSizes(
  peers: readonly WebPeer[],
): Promise<{ readonly section: Section; readonly rows: readonly SizeRow[] }> {
  const core = await bundle(fileURLToPath(new URL('../../../src/index.ts', import.meta.url)), {
    // As ortgrad's package.json does for a browser.
    alias: {
      '#runtime': fileURLToPath(new URL('../../../src/runtime/ort.web.ts', import.meta.url)),
      '#host': fileURLToPath(new URL('../../../src/fit/host.web.ts', import.meta.url)),
    },
  });
  const rows = [sizeOf('ortgrad, without ONNX Runtime', Buffer.from(core))];
  for (const [name, file] of webFiles()) rows.push(sizeOf(`ONNX Runtime: ${name}`, readFileSync(file)));
  for (const { name, modules, files } of peers) {
    rows.push(sizeOf(name, Buffer.from(await wholeOf(modules))));
    for (const file of files) rows.push(sizeOf(`${name}: ${path.basename(file)}`, readFileSync(file)));
  }
  return {
    rows,
    section: {
      title: 'What a page downloads',
      head: ['what', 'kB', 'kB compressed'],
      words: 1,
      rows: rows.map(({ subject, minified_kb, compressed_kb }) => [
        subject,
        minified_kb.toFixed(0),
        compressed_kb.toFixed(0),
      ]),
      notes: [
        'scripts with everything that they export, minified by esbuild and compressed by gzip; a page downloads one of the wasm files of a library',
      ],
    },
  };
}

function wholeOf(modules: readonly string[]): Promise<string> {
  const contents = modules.map((name) => `export * from '${name}';`).join('\n');
  return bundle({ contents, resolveDir: WEB_PEERS_FOLDER });
}

function sizeOf(subject: string, bytes: Buffer): SizeRow {
  return { subject, minified_kb: bytes.length / 1000, compressed_kb: gzipSync(bytes).length / 1000 };
}
