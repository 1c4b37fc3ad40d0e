/** Which tensors of a file are variables, and what becomes of them in training. */
import type { Role } from '../layers/scope.ts';
import { differentiableInputs } from './differentiable.ts';
import { needs } from './node-order.ts';
import type { OnnxNode } from './onnx-node.ts';
import { STATISTICS } from './own-statistics.ts';
import type { TensorSource } from './tensor-source.ts';

/** A tensor of the file that graphs take as an input. Its path is its name in the file. */
export interface ImportedVariable {
  readonly path: string;
  readonly shape: readonly number[];
  readonly role: Role;
  /** Whether weight decay applies: to matrices and above. */
  readonly decays: boolean;
  /** Its numbers in the file; undefined where it has none and starts at random, as an adapter does. */
  readonly source: TensorSource | undefined;
}

/** Which variables train. A text is a regular expression. */
export interface TrainableOptions {
  /** Names of the tensors that train; all by default. */
  readonly trainable?: RegExp | string | undefined;
  /** Names of those that do not, though `trainable` matches them. */
  readonly frozen?: RegExp | string | undefined;
}

/** A regular expression that finds these names and no others. */
export function exactly(names: readonly string[]): string {
  return `^(${names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')).join('|')})$`;
}

/** The nodes that the outputs need, in order. Outputs at the end of a node's list that nobody needs are left out of it. */
export function neededNodes(all: readonly OnnxNode[], outputs: Iterable<string>): OnnxNode[] {
  const needed = new Set(outputs);
  const nodes: OnnxNode[] = [];
  for (const node of all.toReversed()) {
    const last = node.outputs.findLastIndex((name) => needed.has(name));
    if (last < 0) continue;
    nodes.push({ ...node, outputs: node.outputs.slice(0, last + 1) });
    for (const name of needs(node)) needed.add(name);
  }
  return nodes.reverse();
}

/**
 * The variables: float tensors of rank 1 or more that the outputs have derivatives by, and the running statistics of
 * batch normalizations, which are state where their scale or bias trains, else frozen. A Constant node's tensor counts
 * where it trains and has more than one number: a scalar is a constant.
 */
export function findVariables(
  nodes: readonly OnnxNode[],
  outputs: readonly string[],
  tensors: ReadonlyMap<string, TensorSource>,
  options: TrainableOptions,
): Map<string, ImportedVariable> {
  const trains = matcher(options);
  const smooth = new Set(outputs);
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((name) => smooth.has(name))) continue;
    for (const name of differentiableInputs(node)) smooth.add(name);
  }
  const variables = new Map<string, ImportedVariable>();
  const add = (source: TensorSource | undefined, role: Role): void => {
    if (source?.dtype !== 'float32' || source.shape.length === 0) return;
    const { name: path, shape } = source;
    variables.set(path, { path, shape, role, decays: shape.length > 1, source });
  };
  for (const source of tensors.values()) {
    if (!smooth.has(source.name)) continue;
    const isTrained = trains(source.name);
    if (source.isInitializer || (isTrained && source.size > 1))
      add(source, isTrained ? 'trainable' : 'frozen');
  }
  for (const { op, domain, inputs } of nodes) {
    if (op !== 'BatchNormalization' || domain !== '') continue;
    const moves = inputs.slice(1, 3).some((name) => variables.get(name)?.role === 'trainable');
    for (const i of STATISTICS) {
      const source = tensors.get(inputs[i] ?? '');
      add(source, moves && source && !isFrozen(source.name, options) ? 'state' : 'frozen');
    }
  }
  return variables;
}

const pattern = (given: RegExp | string | undefined): RegExp | undefined =>
  given === undefined ? undefined : new RegExp(given);

const isFrozen = (name: string, { frozen }: TrainableOptions): boolean =>
  pattern(frozen)?.test(name) ?? false;

function matcher({ trainable, frozen }: TrainableOptions): (name: string) => boolean {
  const [yes, no] = [pattern(trainable), pattern(frozen)];
  return (name) => (yes?.test(name) ?? true) && !(no?.test(name) ?? false);
}

/** What depends on some values: the names of all that nodes compute from them. */
export function downstreamOf(nodes: readonly OnnxNode[], sources: Iterable<string>): Set<string> {
  const found = new Set(sources);
  for (const node of nodes) {
    if (needs(node).some((name) => found.has(name))) for (const name of node.outputs) found.add(name);
  }
  found.delete('');
  return found;
}
