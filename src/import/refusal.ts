/** The one line that says which nodes stand in the way of training, and what would avoid it. */
import { UserError } from '../errors.ts';
import { differentiableInputs } from './differentiable.ts';
import type { Problem } from './interpret.ts';
import type { Plan } from './plan.ts';
import { downstreamOf, neededNodes } from './variables.ts';

/** So many nodes are named; the line has an end. */
const MOST_NAMED = 12;

/** An error about all nodes that could not be lowered. */
export function refusal(plan: Plan, problems: readonly Problem[]): UserError {
  const [first] = problems;
  const advice = adviceFor(plan, problems);
  if (first && problems.length === 1) return new UserError(`${first.message}${advice}`);
  const each = problems.slice(0, MOST_NAMED).map(describe).join('; ');
  const rest = problems.length > MOST_NAMED ? `; and ${problems.length - MOST_NAMED} more` : '';
  return new UserError(`import: ${problems.length} nodes cannot be trained through: ${each}${rest}${advice}`);
}

function describe({ node, message }: Problem): string {
  const reason = message.slice(message.indexOf('): ') + 3);
  return `${node.name} (${node.op}): ${reason}`;
}

/**
 * Freezing what is upstream of a node puts it into the trunk, where it needs no derivative. That leaves something to train
 * where some variable is not upstream of any of them.
 */
function adviceFor(plan: Plan, problems: readonly Problem[]): string {
  const names = problems.flatMap(({ node }) => node.outputs);
  const upstream = new Set(neededNodes(plan.nodes, names).flatMap(({ inputs }) => inputs));
  const trains = [...plan.variables.values()]
    .filter(({ role }) => role === 'trainable')
    .map(({ path }) => path);
  const left = trains.filter((path) => !upstream.has(path));
  const count = trains.length - left.length;
  if (count === 0) return outputsBefore(plan, problems);
  if (left.length === 0) {
    return `; all ${count} weights that train are upstream of it, so that freezing them leaves nothing to train${outputsBefore(plan, problems)}`;
  }
  return `; freezing the ${count} weights upstream of it avoids this, and leaves ${left.length} to train: trainable: ${commonPattern(left)}`;
}

/** What nodes give to those with problems: a loss may be of that instead. */
function outputsBefore({ nodes }: Plan, problems: readonly Problem[]): string {
  const smooth = nodes.filter((node) => differentiableInputs(node).length > 0);
  const made = new Set(smooth.flatMap(({ outputs }) => outputs));
  const names = [...new Set(problems.flatMap(({ node }) => [...node.captured, ...node.inputs]))];
  const behind = downstreamOf(
    nodes,
    problems.flatMap(({ node }) => node.outputs),
  );
  const before = names.filter((name) => made.has(name) && !behind.has(name)).slice(0, 3);
  return before.length === 0
    ? ''
    : `; what comes before can be trained for: outputs: ${JSON.stringify(before)}`;
}

/** A pattern that matches these names: what they begin with, if that is something; else the first of them. */
function commonPattern(names: readonly string[]): string {
  const [first = ''] = names;
  let length = first.length;
  for (const name of names) while (!name.startsWith(first.slice(0, length))) length--;
  const quote = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  if (length > 0) return `/^${quote(first.slice(0, length))}/`;
  return `/^(${names.slice(0, 3).map(quote).join('|')}${names.length > 3 ? '|…' : ''})$/`;
}
