/** Starts this package's worker threads, and passes their errors on. Node only. */
import { Worker } from 'node:worker_threads';
import { UserError } from './errors.ts';
import { moduleBeside } from './module-beside.node.ts';

/** An error as plain data, because an error that is posted between threads loses its class. */
export interface Failure {
  readonly kind: 'failed';
  readonly message: string;
  readonly stack: string;
  readonly user: boolean;
}

/** Runs the module `./<name>` next to the one whose `import.meta.url` is given. */
export function startModule(name: string, base: string, workerData?: unknown): Worker {
  const module = moduleBeside(name, base);
  return new Worker(module, {
    workerData,
    // From source the thread needs tsx.
    ...(module.pathname.endsWith('.ts') && { execArgv: [...process.execArgv, '--import', registerTsx()] }),
  });
}

export function failure(error: unknown): Failure {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'failed', message, stack, user: error instanceof UserError };
}

export function revive({ message, stack, user }: Failure): Error {
  return user ? new UserError(message) : Object.assign(new Error(message), { stack });
}

/**
 * A module that registers tsx. A thread inherits `--import=tsx`, but before node 22 that has no effect there
 * (github.com/privatenumber/tsx/issues/354).
 */
function registerTsx(): string {
  const api = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  return `data:text/javascript,${encodeURIComponent(`import { register } from ${api}; register();`)}`;
}
