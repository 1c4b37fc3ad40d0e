/** Whether a dataset gives what a task reads. Pure: also for browsers. */
import { UserError } from '../errors.ts';
import type { Field } from '../tasks/task.ts';
import type { DatasetInfo, DatasetSource } from './dataset.ts';

/** Throws a UserError unless a dataset gives the fields, and has the classes, that a task expects. */
export function checkFit(
  { name, fields, about }: Pick<DatasetInfo, 'name' | 'fields' | 'about'>,
  {
    fields: wanted = {},
    classes,
    vocabulary,
    dir,
  }: Pick<DatasetSource, 'fields' | 'classes' | 'vocabulary' | 'dir'>,
): void {
  const fit = 'choose a graph and a dataset that fit';
  for (const [field, wants] of Object.entries(wanted)) {
    const has = fields[field];
    if (!has) {
      const given = Object.keys(fields).join(', ');
      throw new UserError(`the graph reads a field ${field}, but ${name} gives ${given}: ${fit}`);
    }
    if (described(has) !== described(wants)) {
      throw new UserError(
        `the graph reads ${field} as ${described(wants)}, but ${name} gives ${described(has)}: ${fit}`,
      );
    }
  }
  const tokens = about.vocabulary;
  if (vocabulary !== undefined && typeof tokens === 'number' && tokens > vocabulary) {
    throw new UserError(`the graph knows ${vocabulary} tokens, but ${name} has ${tokens}: ${fit}`);
  }
  const named = about.classes;
  if (classes === undefined || !Array.isArray(named) || named.length === classes) return;
  throw new UserError(
    `the graph tells ${classes} classes apart, but ${name}${dir === undefined ? '' : ` in ${dir}`} has ${named.length}: ${fit}`,
  );
}

function described({ dtype, shape }: Field): string {
  return `${dtype} [${shape.join(', ')}]`;
}
