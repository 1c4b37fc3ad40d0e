/** Roles and rates of variables, from a run's options and from their names. */
import { UserError } from '../errors.ts';
import { layerFactors } from '../layers/layer-decay.ts';
import type { Role, Variable } from '../layers/scope.ts';
import type { Task } from '../tasks/task.ts';
import { tracePrediction } from '../tasks/trace.ts';
import type { Manifest } from './manifest.ts';

/**
 * Roles in which the variables that a regular expression finds in their path are frozen. Throws UserError where it finds
 * none that could be trained.
 */
export function frozenRoles(task: Task, freeze: string | undefined): (variable: Variable) => Role {
  if (freeze === undefined) return ({ role }) => role;
  const pattern = new RegExp(freeze);
  const paths = tracePrediction(task, 1).variables.flatMap(({ path, role }) =>
    role === 'trainable' ? [path] : [],
  );
  const found = paths.filter((path) => pattern.test(path));
  if (found.length === 0) {
    throw new UserError(
      `--freeze ${freeze}: finds none of the ${paths.length} parameters; their paths are ${examples(paths)}`,
    );
  }
  if (found.length === paths.length) {
    throw new UserError(
      `--freeze ${freeze}: finds all ${paths.length} parameters, so that none is left to train`,
    );
  }
  return ({ path, role }) => (role === 'trainable' && pattern.test(path) ? 'frozen' : role);
}

function examples(paths: readonly string[]): string {
  const shown = paths.slice(0, 6).join(', ');
  return paths.length > 6 ? `${shown}, …` : shown;
}

/** What of a run's options changes the rates of some variables. */
export interface RateOptions {
  readonly headLrScale: number;
  readonly decayAll: boolean;
  readonly layerDecay?: number | undefined;
}

/** A manifest whose variables have the rates that a run's options give them. Throws UserError as the functions below. */
export function withRates(manifest: Manifest, { headLrScale, decayAll, layerDecay }: RateOptions): Manifest {
  const layered = withLayerDecay(manifest, layerDecay, '--layer-decay');
  return withDecay(withHeadRate(layered, headLrScale), { all: decayAll });
}

/** The learning rates fall from layer to layer (layers/layer-decay.ts), by the layers of all variables, frozen ones too. */
export function withLayerDecay(manifest: Manifest, decay: number | undefined, what: string): Manifest {
  if (decay === undefined || decay === 1) return manifest;
  const factors = layerFactors(
    manifest.variables.map(({ path }) => path),
    decay,
    what,
  );
  const variables = manifest.variables.map((variable, i) => ({
    ...variable,
    learningRate: (factors[i] ?? 1) * variable.learningRate,
  }));
  return { ...manifest, variables };
}

/** The variables of a manifest with the learning rate of a head (`head/…`) scaled. Throws UserError without a head. */
function withHeadRate(manifest: Manifest, scale: number): Manifest {
  if (scale === 1) return manifest;
  const isHead = ({ path }: { readonly path: string }) => /(^|\/)head\//.test(path);
  if (!manifest.variables.some((variable) => isHead(variable) && variable.role === 'trainable')) {
    throw new UserError('--head-lr-scale: the model has no trained parameters under head/');
  }
  const variables = manifest.variables.map((variable) =>
    isHead(variable) ? { ...variable, learningRate: scale * variable.learningRate } : variable,
  );
  return { ...manifest, variables };
}

/** The variables of a manifest, every trained one with the run's weight decay where `all` says so. */
export function withDecay(manifest: Manifest, { all }: { readonly all: boolean }): Manifest {
  if (!all) return manifest;
  const variables = manifest.variables.map((variable) =>
    variable.role === 'trainable' ? { ...variable, weightDecay: 1 } : variable,
  );
  return { ...manifest, variables };
}
