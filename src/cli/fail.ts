import { inspect } from 'node:util';
import pc from 'picocolors';
import { printable, UserError } from '../errors.ts';
import { systemErrorMessage } from '../system-error.ts';

/**
 * Runs a command with the arguments of this process. A failure is one line on stderr and exit code 1; its trace is
 * shown only with `--verbose`.
 */
export async function runMain(main: (argv: readonly string[]) => Promise<void>): Promise<void> {
  const argv = process.argv.slice(2);
  const verbose = argv.includes('--verbose');
  const fail = (error: unknown) => {
    process.exitCode = 1;
    // Exits even if a worker thread or a session would keep the process alive.
    process.stderr.write(`${failureText(error, verbose)}\n`, () => process.exit());
  };
  process.on('uncaughtException', fail);
  // The program that reads our output may close it early (`… --help | head`). That is not an error.
  process.stdout.on('error', (error) => {
    if ('code' in error && error.code === 'EPIPE') process.exit();
    fail(error);
  });
  try {
    await main(argv);
  } catch (error) {
    fail(error);
  }
}

/** What is printed for an error: one line, and its trace if `verbose`. */
export function failureText(error: unknown, verbose: boolean): string {
  // `isTTY` is undefined, not false, on a pipe.
  const { red } = pc.createColors(process.stderr.isTTY === true && pc.isColorSupported);
  const known = error instanceof UserError ? error.message : systemErrorMessage(error);
  const trace = verbose
    ? `\n${inspect(error)
        .split('\n')
        .map((line) => printable(line))
        .join('\n')}`
    : '';
  if (known !== undefined) return `${red('error:')} ${printable(known)}${trace}`;
  const message = (error instanceof Error ? error.message : String(error)).replace(/^internal: /, '');
  const hint = verbose ? '' : ' (run with --verbose for the trace)';
  return `${red('internal error:')} ${printable(message.split('\n', 1).join(), 2000)}${hint}${trace}`;
}
