/**
 * A session as bytes, one safetensors file: `now/<path>` of every variable, `slot/<slot>/<path>` of what the optimizer
 * keeps, and `gradient/<path>` where one has been added up. A file of weights alone, by path, begins anew. Also for browsers.
 */
import { joined } from '../bytes.ts';
import { UserError } from '../errors.ts';
import { expectWeights, weightsOf } from '../fit/weights.ts';
import type { Role } from '../layers/scope.ts';
import { encodeSafetensors, type NamedTensor, type Safetensors } from '../storage/safetensors.ts';
import type { SessionCore } from './core.ts';
import { checkpointDocument, DOCUMENT, metadataOf } from './document.ts';

const ALL: readonly Role[] = ['trainable', 'frozen', 'state'];

/** The rates of a session. */
export interface Rates {
  readonly learningRate: number;
  readonly weightDecay: number;
}

export function encodeCheckpoint(core: SessionCore, rates: Rates, hasOptimizer: boolean): Uint8Array {
  const { variables, rule, slots, gradient, added, trainSteps, optimizerSteps } = core;
  const under = (prefix: string, tensors: readonly NamedTensor[]): NamedTensor[] =>
    tensors.map((tensor) => ({ ...tensor, name: `${prefix}/${tensor.name}` }));
  return joined(
    encodeSafetensors(
      [
        ...under('now', variables.variables(ALL)),
        ...Object.entries(slots).flatMap(([slot, arrays]) => under(`slot/${slot}`, variables.named(arrays))),
        ...(added > 0 ? under('gradient', variables.named(gradient)) : []),
      ],
      metadataOf({
        ...{ format: 'training-session', version: 1, trainSteps, optimizerSteps, added },
        optimizer: hasOptimizer ? { name: rule.name, slots: [...rule.slots] } : null,
        ...rates,
      }),
    ),
  );
}

/**
 * Puts a checkpoint, or weights, into a session; gives the rates of a checkpoint. Throws UserError, before anything is
 * changed, where they are of another model or another optimizer.
 */
export function restoreCheckpoint(core: SessionCore, file: Safetensors, origin: string): Rates | undefined {
  const { variables } = core;
  if (file.metadata[DOCUMENT] === undefined) {
    const all = variables.variables(ALL).map(({ name, shape }) => ({ path: name, shape }));
    for (const { name, data } of expectWeights(origin, weightsOf(file.tensors, origin), all)) {
      if (data instanceof Float32Array) variables.put(name, data);
    }
    return undefined;
  }
  const document = checkpointDocument(file.metadata, origin);
  const under = (prefix: string): NamedTensor[] =>
    file.tensors.flatMap((tensor) =>
      tensor.name.startsWith(`${prefix}/`) ? [{ ...tensor, name: tensor.name.slice(prefix.length + 1) }] : [],
    );
  const kept = document.optimizer?.slots ?? [];
  if (String(kept) !== String(core.rule.slots)) {
    throw new UserError(
      `${origin}: it was saved with the optimizer ${document.optimizer?.name ?? 'none'}, which keeps ${kept.join(', ') || 'nothing'}, and this session has ${core.rule.name}, which keeps ${core.rule.slots.join(', ') || 'nothing'}; create the session with that optimizer, or begin with the weights alone`,
    );
  }
  // All is checked before anything is changed.
  expectSame(variables.variables(ALL), under('now'), origin);
  for (const [slot, arrays] of Object.entries(core.slots))
    expectSame(variables.named(arrays), under(`slot/${slot}`), `${origin}: ${slot}`);
  if (document.added > 0)
    expectSame(variables.named(core.gradient), under('gradient'), `${origin}: gradient`);
  variables.restoreVariables(ALL, under('now'), origin);
  for (const [slot, arrays] of Object.entries(core.slots))
    variables.restore(arrays, under(`slot/${slot}`), `${origin}: ${slot}`);
  if (document.added > 0) variables.restore(core.gradient, under('gradient'), `${origin}: gradient`);
  core.added = document.added;
  core.trainSteps = document.trainSteps;
  core.optimizerSteps = document.optimizerSteps;
  return { learningRate: document.learningRate, weightDecay: document.weightDecay };
}

function expectSame(wanted: readonly NamedTensor[], saved: readonly NamedTensor[], origin: string): void {
  const variables = wanted.map(({ name, shape }) => ({ path: name, shape }));
  expectWeights(origin, weightsOf(saved, origin), variables);
}
