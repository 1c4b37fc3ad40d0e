/** manifest.json: what a trainer must know of a folder of graphs. It does not say how they were made. */
import * as v from 'valibot';
import { DATASET_NAMES } from '../data/names.ts';
import { mismatch, UserError } from '../errors.ts';
import { decayMask } from '../layers/weight-decay.ts';
import { isOp, type Value } from '../onnx/value.ts';
import type { Spec } from '../tasks/spec.ts';
import { type BuiltGraphs, GRAPH_NAMES, type GraphName, MEMORY_LEVELS } from './build.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const tensor = v.object({
  name: v.string(),
  dtype: v.string(),
  shape: v.array(v.union([count, v.string()])),
});
const graph = v.object({
  file: v.string(),
  inputs: v.array(tensor),
  outputs: v.array(tensor),
  /** Of the file's bytes, once it is written. */
  sha256: v.optional(v.string()),
});

const init = v.variant('kind', [
  v.object({ kind: v.literal('zeros') }),
  v.object({ kind: v.literal('ones') }),
  v.object({ kind: v.literal('normal'), std: v.number() }),
  v.object({ kind: v.literal('xavier-uniform') }),
]);

const manifestSchema = v.object({
  format: v.literal(1),
  name: v.string(),
  /** sha-256 of the spec, micro-batch, memory level and generator: another hash means stale files. */
  hash: v.string(),
  microBatch: count,
  memory: v.picklist(MEMORY_LEVELS),
  dataset: v.picklist(DATASET_NAMES),
  image: v.object({ channels: count, height: count, width: count }),
  classes: count,
  /** In the order of the graphs' inputs; `decay` says whether weight decay applies. */
  parameters: v.array(v.object({ path: v.string(), shape: v.array(count), init, decay: v.boolean() })),
  /** Those that were written. */
  graphs: v.partial(v.object({ 'loss-grad': graph, 'gr-exact': graph, hvp: graph, infer: graph })),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;
export type ManifestParameter = Manifest['parameters'][number];

/** The manifest of a folder with the graphs `names` in it. */
export function describeGraphs(
  name: string,
  spec: Spec,
  built: BuiltGraphs,
  microBatch: number,
  hash: string,
  names: readonly GraphName[] = GRAPH_NAMES,
): Manifest {
  const decay = decayMask(built.parameters.map(({ path }) => path));
  const describe = (graphName: GraphName) => {
    const { inputs, outputs } = built.graphs[graphName];
    return {
      file: `${graphName}.onnx`,
      inputs: inputs.map((value) => tensorInfo(inputName(value), value)),
      outputs: Object.entries(outputs).map(([output, value]) => tensorInfo(output, value)),
    };
  };
  return {
    format: 1,
    name,
    hash,
    microBatch,
    memory: built.memory,
    dataset: spec.dataset,
    image: spec.image,
    classes: spec.classes,
    parameters: built.parameters.map(({ path, shape, init }, i) => ({
      path,
      shape: [...shape],
      init,
      decay: decay[i] ?? false,
    })),
    graphs: Object.fromEntries(names.map((each) => [each, describe(each)])),
  };
}

/** Throws UserError where the JSON is not a manifest. */
export function parseManifest(json: unknown, origin: string): Manifest {
  const result = v.safeParse(manifestSchema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UserError(
    `${origin}: ${v.getDotPath(issue) ?? 'file'}: ${mismatch(issue)}; delete it to have it written anew`,
  );
}

function tensorInfo(name: string, { dtype, shape }: Value) {
  return { name, dtype, shape: [...shape] };
}

function inputName(value: Value): string {
  if (!isOp(value.node, 'Input')) throw new Error(`internal: ${value.node.op} among a graph's inputs`);
  return value.node.attributes.name;
}
