/** Turns the archive that a page saves into the folder of a run on this machine. */
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { configText } from '../config/config.ts';
import { UserError } from '../errors.ts';
import { fileError } from '../system-error.ts';
import { writeWhole } from '../whole-file.node.ts';
import { saveCheckpoint } from './checkpoint-folder.node.ts';
import { metricsText } from './metrics.ts';
import { CONFIG_FILE, decodeRun, METRICS_FILE } from './run-archive.ts';
import { makeFolder } from './run-folder.node.ts';
import { untar } from './tar.ts';

/** Unpacks `NAME.tar` into a new folder `NAME` beside it, and returns that. Leaves no folder if it throws a UserError. */
export async function unpackRun(file: string): Promise<string> {
  const folder = file.slice(0, -path.extname(file).length);
  if (existsSync(folder)) {
    throw new UserError(
      `${file}: ${folder} exists already; resume it with --resume ${folder}, or rename the archive`,
    );
  }
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fileError(error, file);
  });
  const { checkpoint, metrics } = await decodeRun(untar(bytes, file), file);
  const temporary = `${folder}.${process.pid}.tmp`;
  try {
    await makeFolder(temporary);
    await writeWhole(path.join(temporary, CONFIG_FILE), configText(checkpoint.config));
    await writeWhole(
      path.join(temporary, METRICS_FILE),
      metrics.map((line) => `${metricsText(line)}\n`).join(''),
    );
    await saveCheckpoint(temporary, checkpoint, { keep: 1 });
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw fileError(error, folder);
  }
  return folder;
}
