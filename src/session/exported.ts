/** A session's trained model as one ONNX file. Also for browsers. */
import { UserError } from '../errors.ts';
import { exportModel } from '../fit/export.ts';
import type { ExportOptions } from '../fit/types.ts';
import type { Opened } from './open.ts';
import { weightsIn } from './results.ts';

/** Throws UserError where the graphs are only a part of the model, and the file that it was read from is not there. */
export function exported(
  { core, source, training }: Opened,
  { precision, metadata }: Pick<ExportOptions, 'precision' | 'metadata'>,
): Uint8Array {
  const weights = new Map(Object.entries(weightsIn(core)).map(([path, { data }]) => [path, data]));
  if (source.exported && precision !== 'fp16' && metadata === undefined) return source.exported(weights);
  if (training.trunk) {
    throw new UserError(
      'export: the graphs are only the part that trains; create the session with forwardModel, without precision and metadata, and the whole file is exported',
    );
  }
  return exportModel({
    graph: source.inference(),
    weights,
    ...{ manifest: training.manifest, name: training.manifest.name, step: core.optimizerSteps },
    ...(precision !== undefined && { precision }),
    ...(metadata !== undefined && { metadata }),
  });
}
