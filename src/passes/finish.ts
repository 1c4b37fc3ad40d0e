/** What is done to every graph before it is written: the one place that says which passes run, and in which order. */
import { type Graph, inlineCalls, mapOutputs } from '../onnx/graph.ts';
import { mergeCommonSubexpressions } from './common-subexpressions.ts';
import { toPortable } from './portable.ts';

export const TARGETS = ['cpu', 'webgpu'] as const;
/** `cpu` may use ONNX Runtime's own operators (also on CUDA and in wasm); `webgpu` standard ONNX only. */
export type Target = (typeof TARGETS)[number];

export function finish(graph: Graph, target: Target): Graph {
  const flat = mapOutputs(mapOutputs(graph, inlineCalls), mergeCommonSubexpressions);
  return target === 'cpu' ? flat : mapOutputs(flat, toPortable);
}
