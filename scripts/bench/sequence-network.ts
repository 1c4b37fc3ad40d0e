/** The networks of `npm run bench:sequence`, for both sides. */
import { TaskGraphs } from '../../src/artifacts/graphs.ts';
import { taskOf } from '../../src/tasks/own.ts';
import { parseSpec } from '../../src/tasks/parse-spec.ts';
import { isModuleSpec } from '../../src/tasks/spec.ts';

export type Work = 'grad' | 'exact';

interface Network {
  readonly batch: number;
  readonly length: number;
  readonly outputs: number;
  readonly model: { readonly kind: string; readonly [name: string]: unknown };
}

const TEXT = { batch: 32, length: 128, outputs: 40 };
const RECURRENT = { vocabulary: 258, width: 128, pool: 'last' };

export const SEQUENCE_NETWORKS = {
  lstm: { ...TEXT, model: { kind: 'lstm', ...RECURRENT } },
  gru: { ...TEXT, model: { kind: 'gru', ...RECURRENT } },
  // Without dropout, which each side would draw for itself.
  'ft-transformer': {
    ...{ batch: 256, length: 26, outputs: 1 },
    model: {
      ...{ kind: 'ft-transformer', columns: [1, 1, 1, 1, 1, 1, 5, 7, 8], layers: 3 },
      ...{ dropout: 0, attentionDropout: 0 },
    },
  },
} satisfies Record<string, Network>;
export type SequenceNetwork = keyof typeof SEQUENCE_NETWORKS;

export function graphsOf(name: SequenceNetwork): TaskGraphs {
  const { batch, length, outputs, model }: Network = SEQUENCE_NETWORKS[name];
  const shared = { model, microBatch: batch };
  const json =
    model.kind === 'ft-transformer'
      ? { task: 'table', dataset: 'diamonds', features: length, ...shared }
      : { task: 'text', dataset: 'languages', length, classes: outputs, ...shared };
  const spec = parseSpec(json, name);
  if (isModuleSpec(spec)) throw new Error('internal: a module in place of a network');
  return new TaskGraphs(taskOf(spec), { batch });
}
