/** `ortgrad export` of a model that was imported: the original file with trained numbers, and adapters for PEFT. */
import path from 'node:path';
import { joined } from '../bytes.ts';
import { counted } from '../counted.ts';
import { exportTrained } from '../import/export.ts';
import type { ImportedModel } from '../import/import-model.ts';
import { showType } from '../import/onnx-model.ts';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterFiles } from '../import/peft.ts';
import type { TrainedModel } from '../inference/model.node.ts';
import { createFolder } from '../storage/run-folder.node.ts';
import { encodeSafetensors } from '../storage/safetensors.ts';
import { naming } from '../tasks/import-for.ts';
import { openOnnx } from '../tasks/imported.node.ts';
import type { OnnxSpec } from '../tasks/spec.ts';
import { writeJson, writeWhole } from '../whole-file.node.ts';
import { print } from './print.ts';

/** What is written of an imported model. */
export interface ImportedExport {
  /** The file with trained and merged weights; none where only adapters are asked for. */
  readonly out: string | undefined;
  /** The folder for adapters. */
  readonly adapters: string | undefined;
}

/** Writes the files and tells what they are. Throws UserError where the run has no adapters, or a file cannot be written. */
export async function exportImported(
  { checkpoint, onnxFile = '' }: TrainedModel,
  spec: OnnxSpec,
  values: ReadonlyMap<string, Float32Array>,
  { out, adapters }: ImportedExport,
): Promise<void> {
  const { model } = await openOnnx(spec, onnxFile);
  if (adapters !== undefined) await writeAdapters(adapters, model, spec, values);
  if (out === undefined) return;
  const saved = new Map(
    checkpoint.parameters.map(({ name }) => [name, values.get(name) ?? new Float32Array()]),
  );
  const bytes = naming(onnxFile, () =>
    exportTrained(model.source, { values: saved, adapters: model.adapters }),
  );
  await createFolder(path.dirname(out));
  await writeWhole(out, bytes);
  const { inputs, outputs, types } = model.source;
  const told = (names: readonly string[]): string =>
    names
      .map((name) => {
        const type = types.get(name);
        return type ? `${name} ${showType(type)}` : name;
      })
      .join(', ');
  print(
    `${out}: ${(bytes.length / 1e6).toFixed(1)} MB; ${told(inputs.map(({ name }) => name))} → ${told(outputs)}`,
  );
}

async function writeAdapters(
  folder: string,
  model: ImportedModel,
  { lora }: OnnxSpec,
  values: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  const { config, tensors } = adapterFiles(model, values, lora);
  await createFolder(folder);
  await writeJson(path.join(folder, ADAPTER_CONFIG), config);
  const bytes = joined(encodeSafetensors(tensors, { format: 'pt' }));
  await writeWhole(path.join(folder, ADAPTER_WEIGHTS), bytes);
  print(
    `${folder}: ${counted(model.adapters.length, 'adapter')} as PEFT reads them, ${(bytes.length / 1e6).toFixed(2)} MB`,
  );
}
