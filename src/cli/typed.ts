import path from 'node:path';

/** What tells how a command was started; `process` has it. */
interface Started {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A command as its user would type it, for usage and advice: `npm run train -- --resume FOLDER` where one of the
 * project's scripts was started, `npx ortgrad train --resume FOLDER` or `ortgrad train --resume FOLDER` where the
 * package's own command was.
 */
export function typed(command: string, args = '', started: Started = process): string {
  const name = isScript(started)
    ? `npm run ${command}${args === '' ? '' : ' --'}`
    : `${ortgrad(started)} ${command}`;
  return args === '' ? name : `${name} ${args}`;
}

/** Whether one of the project's npm scripts was started, for which npm keeps the flags that have no `--` before them. */
export function isScript({ argv }: Started = process): boolean {
  return /[\\/]scripts[\\/][^\\/]+\.ts$/.test(argv[1] ?? '');
}

/** Without npx only where it is on the path: not from a project's node_modules. */
function ortgrad({ argv, env }: Started): string {
  const isLocal = path
    .dirname(argv[1] ?? '')
    .split(/[\\/]/)
    .includes('node_modules');
  return isLocal || env.npm_command === 'exec' ? 'npx ortgrad' : 'ortgrad';
}
