/** How a file is imported, as a spec says it. Pure: also for browsers. */
import type { ImportOptions } from '../import/import-model.ts';
import type { OnnxSpec } from './spec.ts';

/** What trains: what the spec's pattern finds, all without one or, with adapters, these alone. */
export function importOptions({ trainable, dims, lora, output }: Pick<OnnxSpec, 'trainable' | 'dims' | 'lora' | 'output'>): ImportOptions {
  return {
    ...(trainable !== undefined && { trainable: new RegExp(trainable) }),
    ...(dims && { dims }),
    ...(lora && { lora: { ...lora, target: new RegExp(lora.target) } }),
    ...(output !== undefined && { outputs: [output] }),
  };
}
