/** Part of `npm run build`: writes the script of the exported page into the package. */
import { mkdir, writeFile } from 'node:fs/promises';
import { bundlePage } from './web/bundle.ts';

await mkdir('dist/web', { recursive: true });
await writeFile('dist/web/page.js', await bundlePage('main.ts'));
