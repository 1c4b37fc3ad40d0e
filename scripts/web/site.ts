/** The pages that train, as a folder for any static server. */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { imageInfo } from '../../src/data/images.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { stratifiedSubset } from '../../src/data/subset.ts';
import { webFiles } from '../../src/runtime/web-files.node.ts';
import { ownPageHtml } from '../../src/web/own/html.ts';
import { trainingPageHtml } from '../../src/web/train/html.ts';
import { packDataset } from '../../src/web/train/packed-dataset.ts';
import { bundlePage } from './bundle.ts';

/** Where `npm run web` and `npm run web:build` put it. */
export const SITE = 'site';
/** Shares of MNIST's 60,000 training and 10,000 test images. */
const FRACTION = 0.1;

/** Writes the folder, in place of an older one. Returns its size in bytes. */
export async function buildSite(folder: string): Promise<number> {
  const files: Readonly<Record<string, string | Uint8Array>> = {
    'index.html': trainingPageHtml(await chartStyle()),
    'page.js': await bundlePage('train/main.ts'),
    'worker.js': await bundlePage('train/worker.ts'),
    'mnist.pack': await digits(),
    ...(await ownPage('onnx.html')),
  };
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  const runtime = webFiles({ webgpu: true });
  for (const [name, from] of runtime) await copyFile(from, path.join(folder, name));
  const all = [...Object.keys(files), ...runtime.keys()];
  const sizes = await Promise.all(all.map(async (name) => (await readFile(path.join(folder, name))).length));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The files of the page for an ONNX file of one's own, but for ONNX Runtime's. */
export async function ownPage(name: string): Promise<Readonly<Record<string, string>>> {
  return {
    [name]: ownPageHtml(await chartStyle(), 'own.js'),
    'own.js': await bundlePage('own/main.ts'),
    'own-worker.js': await bundlePage('own/worker.ts'),
  };
}

function chartStyle(): Promise<string> {
  return readFile(createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css'), 'utf8');
}

async function digits(): Promise<Uint8Array> {
  const dataset = await openDataset({ dataset: 'mnist' });
  const train = stratifiedSubset(dataset.train, FRACTION);
  const test = stratifiedSubset(dataset.test, FRACTION);
  const info = imageInfo(dataset);
  const classSizes = info.classes.map(
    (_, k) => dataset.train.strata?.filter((label) => label === k).length ?? 0,
  );
  const found = `${train.length} training and ${test.length} test images of MNIST, which came with a page`;
  return packDataset({ ...info, found, train, test, fraction: FRACTION, classSizes });
}
