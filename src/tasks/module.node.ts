/** A task from a JavaScript module of the user's. A checkpoint never imports code: only a spec or an option names it. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { askedAsync, messageOf, show, UserError } from '../errors.ts';
import type { ModuleSpec } from './spec.ts';
import type { Task } from './task.ts';

/**
 * Imports the task that a spec names; a relative path begins at `folder`. Throws UserError where the module is not there,
 * fails, or does not export a task.
 */
export async function importTask(
  { task: { module, export: name, options } }: ModuleSpec,
  folder: string,
): Promise<Task> {
  const file = path.resolve(folder, module);
  if (!existsSync(file)) throw new UserError(`${file}: no such file; expected a module that exports ${name}`);
  const exported = await importFrom(file, name);
  const task: unknown =
    typeof exported === 'function'
      ? await askedAsync(`${file}: ${name}`, () => exported(options ?? {}))
      : exported;
  if (isTask(task)) return task;
  const what = exported === undefined ? 'nothing of that name' : show(task);
  throw new UserError(
    `${file}: expected its export ${name} to be a task { fields, predict, loss, metrics }, or a function that returns one; got ${what}`,
  );
}

async function importFrom(file: string, name: string): Promise<unknown> {
  const url: string = pathToFileURL(file).href;
  const namespace: Record<string, unknown> = await import(url).catch((error: unknown) => {
    throw new UserError(`${file}: cannot be imported: ${importProblem(error)}`, { cause: error });
  });
  return namespace[name] ?? (name === 'task' ? namespace.default : undefined);
}

/** Why a module of the user's cannot be imported. */
export function importProblem(error: unknown): string {
  const [message = ''] = messageOf(error).split('\n', 1);
  if (!/^Unknown file extension "\.[cm]?tsx?"/.test(message)) return message;
  return 'node itself runs TypeScript from version 22.18 on; install tsx and set NODE_OPTIONS=--import=tsx, or compile it';
}

function isTask(value: unknown): value is Task {
  if (typeof value !== 'object' || value === null) return false;
  const isObject = (key: string) => key in value && typeof Reflect.get(value, key) === 'object';
  const isFunction = (key: string) => typeof Reflect.get(value, key) === 'function';
  return isObject('fields') && isObject('metrics') && isFunction('predict') && isFunction('loss');
}
