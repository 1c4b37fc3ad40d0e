/** A trained model as one ONNX file. Also for browsers. */
import type { Manifest } from '../artifacts/manifest.ts';
import { expectOneOf } from '../expect.ts';
import { inFloat16, PRECISIONS, type Precision } from '../inference/half.ts';
import type { Graph } from '../onnx/graph.ts';
import { serialize } from '../onnx/serialize.ts';
import { isOp } from '../onnx/value.ts';
import { VERSION } from '../version.ts';

export interface Exported {
  /** What inference computes, its variables as inputs. */
  readonly graph: Graph;
  /** By path. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly manifest: Pick<Manifest, 'fields' | 'outputs'>;
  readonly name: string;
  readonly step: number;
  readonly precision?: Precision;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The bytes of the file. Throws UserError for another precision, and for weights that float16 does not hold. */
export function exportModel({
  graph,
  weights,
  manifest,
  name,
  step,
  precision = 'fp32',
  metadata = {},
}: Exported): Uint8Array {
  expectOneOf('export: precision', precision, PRECISIONS);
  const file = precision === 'fp16' ? inFloat16(graph, weights) : { graph, weights };
  const inputs = graph.inputs.flatMap(({ node }) => (isOp(node, 'Input') ? [node.attributes.name] : []));
  const fields = Object.entries(manifest.fields).filter(([field]) => inputs.includes(field));
  return serialize(file.graph, {
    weights: file.weights,
    doc: `Trained by ortgrad ${VERSION}. Inputs: ${fields.map(([field, { dtype, shape }]) => `${field} ${dtype} [${['batch', ...shape].join(', ')}]`).join('; ')}.`,
    metadata: {
      name,
      step: String(step),
      fields: JSON.stringify(Object.fromEntries(fields)),
      outputs: JSON.stringify(manifest.outputs),
      ...metadata,
    },
  });
}
