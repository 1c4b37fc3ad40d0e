/** `ortgrad export --web`: a model with its page, ready for any static server. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { DatasetSource } from '../data/dataset.ts';
import { imageInfo, readImage } from '../data/images.ts';
import { openDataset } from '../data/open.node.ts';
import { encodePng } from '../data/picture.node.ts';
import { UserError } from '../errors.ts';
import { jsonText } from '../json-text.ts';
import { permutation, Random } from '../random.ts';
import { webFiles } from '../runtime/web-files.node.ts';
import { pageHtml } from '../web/html.ts';
import type { ModelInfo } from '../web/model-info.ts';
import { writeWhole } from '../whole-file.node.ts';

const SAMPLES = 24;

/** The script of the page, as the package holds it. */
export function packagedPage(): Promise<string> {
  return readFile(new URL('../web/page.js', import.meta.url), 'utf8');
}

/** `out/model-web` for `out/model.onnx`. */
export function webFolderOf(file: string): string {
  const { dir, name } = path.parse(file);
  return path.join(dir, `${name}-web`);
}

/** Throws a UserError if the folder holds something else, or if onnxruntime-web, whose files go into it, is missing. */
export async function expectWebFolder(folder: string): Promise<void> {
  webFiles();
  if (!existsSync(folder) || existsSync(path.join(folder, 'model.json'))) return;
  if ((await readdir(folder)).length > 0) {
    throw new UserError(
      `--web: ${folder} holds other files; expected a new folder or an earlier export; take another name for --out`,
    );
  }
}

export interface WebFolder {
  readonly info: Omit<ModelInfo, 'model' | 'samples'> & { readonly precision: string };
  readonly model: Uint8Array;
  /** page.js */
  readonly script: string;
  /** Where the samples come from. */
  readonly source: DatasetSource;
}

/** Writes the folder, over an older export. Returns how many sample images the page has, or why it has none. */
export async function writeWebFolder(
  folder: string,
  { info: { precision, ...about }, model, script, source }: WebFolder,
): Promise<number | string> {
  await mkdir(path.join(folder, 'samples'), { recursive: true });
  const samples = await writeSamples(folder, source).catch((error: unknown) => {
    if (error instanceof UserError) return error.message;
    throw error;
  });
  const info: ModelInfo = {
    ...about,
    model: { file: 'model.onnx', bytes: model.length, precision },
    samples: typeof samples === 'string' ? [] : samples,
  };
  const files = {
    'model.onnx': model,
    'model.json': jsonText(info),
    'index.html': pageHtml(info),
    'page.js': script,
  };
  for (const [name, content] of Object.entries(files)) await writeWhole(path.join(folder, name), content);
  for (const [name, from] of webFiles()) await copyFile(from, path.join(folder, name));
  return typeof samples === 'string' ? samples : samples.length;
}

async function writeSamples(folder: string, source: DatasetSource): Promise<ModelInfo['samples']> {
  const dataset = await openDataset(source);
  const { test } = dataset;
  const info = imageInfo(dataset);
  const { channels, height, width } = info;
  const order = permutation(test.length, new Random(0, 'sample'));
  const samples: ModelInfo['samples'] = [];
  for (const index of order.slice(0, Math.min(SAMPLES, test.length))) {
    const file = `samples/${String(samples.length + 1).padStart(2, '0')}.png`;
    const { pixels, label } = await readImage(test, index, info);
    await writeWhole(path.join(folder, file), await encodePng(pixels, channels === 1 ? 1 : 3, height, width));
    samples.push({ file, label: info.classes[label] ?? '' });
  }
  return samples;
}
