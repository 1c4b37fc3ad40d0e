#!/usr/bin/env node
/** The `ortgrad` command of the package: the same as the project's npm scripts. */
import { UserError } from '../errors.ts';
import { evaluate } from './evaluate.ts';
import { exportModel } from './export.ts';
import { runMain } from './fail.ts';
import { graphs } from './graphs.ts';
import { report } from './report.ts';
import { study } from './study.ts';
import { train } from './train.ts';

const COMMANDS = new Map([
  ['train', train],
  ['evaluate', evaluate],
  ['export', exportModel],
  ['graphs', graphs],
  ['report', report],
  ['study', study],
]);

await runMain(async ([name = '', ...rest]) => {
  const command = COMMANDS.get(name);
  const names = [...COMMANDS.keys()].join(', ');
  if (command) return command(rest);
  if (['', '--help', '-h', 'help'].includes(name)) {
    console.log(`Usage: ortgrad <command> [options], one of ${names}; ortgrad <command> --help says more`);
    return;
  }
  throw new UserError(`${name}: unknown command; expected one of ${names}`);
});
