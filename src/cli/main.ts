#!/usr/bin/env node
import { suggestion } from '../config/options.ts';
/** The `ortgrad` command of the package. It does the same as the project's npm scripts. */
import { show, UserError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { artifacts } from './artifacts.ts';
import { evaluate } from './evaluate.ts';
import { exportModel } from './export.ts';
import { runMain } from './fail.ts';
import { graphs } from './graphs.ts';
import { inspect } from './inspect.ts';
import { print } from './print.ts';
import { report } from './report.ts';
import { study } from './study.ts';
import { train } from './train.ts';
import { typed } from './typed.ts';
import { web } from './web.ts';

const COMMANDS = new Map([
  ['train', train],
  ['evaluate', evaluate],
  ['export', exportModel],
  ['graphs', graphs],
  ['artifacts', artifacts],
  ['inspect', inspect],
  ['report', report],
  ['study', study],
  ['web', web],
]);

await runMain(async ([name = '', ...rest]) => {
  const command = COMMANDS.get(name);
  const names = [...COMMANDS.keys()].join(', ');
  if (command) return command(rest);
  if (['--version', '-v', 'version'].includes(name)) return print(VERSION);
  if (['', '--help', '-h', 'help'].includes(name)) {
    return print(
      `Usage: ${typed('<command>', '[options]')}; commands: ${names}; ${typed('<command>', '--help')} lists the options of a command`,
    );
  }
  throw new UserError(
    `${show(name)}: unknown command${suggestion(name, COMMANDS.keys())}; expected one of ${names}`,
  );
});
