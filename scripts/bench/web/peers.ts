/** The libraries to compare with in a browser: TensorFlow.js and jax-js, if they are installed. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../../src/errors.ts';

export interface WebPeer {
  readonly name: string;
  /** Its side of the benchmark. */
  readonly script: string;
  /** Its backend, in variants. If one cannot do a kind of work, or does it wrong, the next is tried. */
  readonly variants: readonly string[];
  /** Files that it fetches, to be served beside it. */
  readonly files: readonly string[];
  /** What a page that trains imports of it. */
  readonly modules: readonly string[];
}

export const WEB_PEERS_FOLDER = fileURLToPath(new URL('../../peers/web', import.meta.url));

const INSTALL = 'npm ci --prefix scripts/peers/web';

/** Throws UserError if they are `required` but missing. If they are not required, a note says that they are left out. */
export function findWebPeers(
  required: boolean,
  folder = WEB_PEERS_FOLDER,
): { readonly found: readonly WebPeer[]; readonly notes: readonly string[] } {
  const installed = path.join(folder, 'node_modules');
  const wasm = path.join(installed, '@tensorflow/tfjs-backend-wasm/dist');
  const peers: readonly WebPeer[] = [
    {
      name: 'TensorFlow.js',
      script: path.join(folder, 'tfjs.js'),
      variants: ['wasm', 'wasm, softmax from expm1'],
      files: ['', '-simd', '-threaded-simd'].map((kind) => path.join(wasm, `tfjs-backend-wasm${kind}.wasm`)),
      modules: [
        '@tensorflow/tfjs-core',
        '@tensorflow/tfjs-core/dist/register_all_gradients.js',
        '@tensorflow/tfjs-backend-wasm',
      ],
    },
    {
      name: 'jax-js',
      script: path.join(folder, 'jax-js.js'),
      variants: ['wasm', 'wasm, forward over reverse'],
      files: [],
      modules: ['@jax-js/jax'],
    },
  ];
  const packages = peers.flatMap(({ modules }) =>
    modules.map((name) => name.split('/').slice(0, 2).join('/')),
  );
  const missing = [...new Set(packages)].filter((name) => !existsSync(path.join(installed, name)));
  if (missing.length === 0) return { found: peers, notes: [] };
  if (required) throw new UserError(`--peers: expected ${missing.join(', ')} in ${folder}; run ${INSTALL}`);
  return { found: [], notes: [`ortgrad alone: to time TensorFlow.js and jax-js beside it, run ${INSTALL}`] };
}
