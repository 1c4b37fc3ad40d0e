/** Part of `npm run build`: writes the script of the exported page, and the page for an ONNX file of one's own, into the package. */
import { mkdir, writeFile } from 'node:fs/promises';
import { bundlePage } from './web/bundle.ts';
import { ownPage } from './web/site.ts';

await mkdir('dist/web/own', { recursive: true });
await writeFile('dist/web/page.js', await bundlePage('main.ts'));
for (const [name, content] of Object.entries(await ownPage('index.html')))
  await writeFile(`dist/web/own/${name}`, content);
