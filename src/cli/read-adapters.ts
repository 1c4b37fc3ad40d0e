/** Adapters on disk, as PEFT and `ortgrad export --adapters` write them. */
import path from 'node:path';
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  type PeftConfig,
  parsePeftConfig,
  peftNames,
} from '../import/peft.ts';
import { readJsonFile } from '../json-file.node.ts';
import { decodeSafetensors, type NamedTensor } from '../storage/safetensors.ts';
import { readBytes } from '../tasks/imported.node.ts';

export interface ReadAdapters extends PeftConfig {
  /** The modules that have them. */
  readonly modules: readonly string[];
  /** The parameters of modules that were trained whole. */
  readonly others: readonly string[];
  readonly tensors: readonly NamedTensor[];
  /** The file of the numbers, for errors. */
  readonly file: string;
}

/** Reads `adapter_config.json` and `adapter_model.safetensors` of a folder. Throws UserError that names the file. */
export async function readAdapters(folder: string): Promise<ReadAdapters> {
  const file = path.join(folder, ADAPTER_WEIGHTS);
  const config = path.join(folder, ADAPTER_CONFIG);
  const about = parsePeftConfig(await readJsonFile(config), config);
  const { tensors } = decodeSafetensors(await readBytes(file), file);
  return { ...about, ...peftNames(tensors, file), tensors, file };
}
