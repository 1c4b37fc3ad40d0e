import path from 'node:path';

/** Shows how a command was started: the part of `process` that is needed for it. */
interface Started {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A command as its user would type it, for usage and advice: `npm run train -- --resume FOLDER` if one of the project's
 * scripts was started, `npx ortgrad train --resume FOLDER` or `ortgrad train --resume FOLDER` if the package's command
 * was.
 */
export function typed(command: string, args = '', started: Started = process): string {
  const name = isScript(started)
    ? `npm run ${command}${args === '' ? '' : ' --'}`
    : `${ortgrad(started)} ${command}`;
  return args === '' ? name : `${name} ${args}`;
}

/** Whether one of the project's npm scripts was started. npm passes flags on to a script only after a `--`. */
export function isScript({ argv }: Started = process): boolean {
  return /[\\/]scripts[\\/][^\\/]+\.[tj]s$/.test(argv[1] ?? '');
}

/** The package's command. It needs npx if it lies in a project's node_modules, which is not on the path. */
function ortgrad({ argv, env }: Started): string {
  const isLocal = path
    .dirname(argv[1] ?? '')
    .split(/[\\/]/)
    .includes('node_modules');
  return isLocal || env.npm_command === 'exec' ? 'npx ortgrad' : 'ortgrad';
}
