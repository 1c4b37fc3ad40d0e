/** The command line, read by a table of options; see train/options.ts. */

import {
  checkOptions,
  type GivenOptions,
  type Option,
  type OptionTable,
  type OptionValues,
  optionLabel,
  suggestion,
  toggle,
  withDefaults,
} from '../config/options.ts';
import { show, UserError } from '../errors.ts';
import { flagName } from '../option-names.ts';
import { wrap } from '../wrap.ts';
import { isScript, typed } from './typed.ts';

/** Flags of every command. */
export const COMMON_FLAGS = {
  verbose: toggle({ group: 'Other', help: 'Show the stack trace of an error.', default: false }),
  help: toggle({ group: 'Other', help: 'Show this text.', default: false }),
} as const satisfies OptionTable;

export interface Flags<T extends OptionTable> {
  /** Given or default. */
  readonly values: OptionValues<T>;
  /** Only those given. */
  readonly given: GivenOptions;
  /** Arguments that are not flags. */
  readonly rest: readonly string[];
}

/**
 * Reads `--flag value`, `--flag=value`, `--toggle`, `--no-toggle` and `-h`. At most `maxRest` arguments may be something
 * else than flags. Throws a UserError for a flag that is unknown, given twice or without its value, and for a value that
 * does not fit.
 */
export function parseFlags<const T extends OptionTable>(
  argv: readonly string[],
  table: T,
  maxRest = 0,
): Flags<T> {
  const byFlag = flagsOf(table);
  const given: Record<string, unknown> = {};
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] === '-h' ? '--help' : (argv[i] ?? '');
    if (!/^--?[a-z]/i.test(argument)) {
      if (rest.push(argument) > maxRest) throw unexpected(argument);
      continue;
    }
    const [flag = '', inline] = split(argument);
    const found = byFlag.get(flag);
    if (found === undefined) throw new UserError(`${flag}: unknown flag${suggestion(flag, byFlag.keys())}`);
    const { key, option, means } = found;
    if (Object.hasOwn(given, key)) throw new UserError(`${flag}: ${optionLabel(key)} is given twice`);
    if (option.info.kind === 'boolean') {
      given[key] = inline === undefined ? means : booleanOf(inline, means);
      continue;
    }
    const next = inline ?? argv[++i];
    if (next === undefined || (inline === undefined && next.startsWith('--'))) {
      throw new UserError(`${flag}: expected ${option.info.expected}, got ${next ?? 'nothing'}`);
    }
    given[key] = option.info.kind === 'number' ? numberOf(next) : next;
  }
  checkOptions(table, given);
  return { values: withDefaults(table, given), given, rest };
}

interface Flag {
  readonly key: string;
  readonly option: Option;
  /** The value that the flag gives to a toggle. */
  readonly means: boolean;
}

function flagsOf(table: OptionTable): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const [key, option] of Object.entries(table)) {
    flags.set(`--${flagName(key)}`, { key, option, means: true });
    if (option.info.alias !== undefined) flags.set(`--${option.info.alias}`, { key, option, means: true });
    if (option.info.kind === 'boolean') flags.set(`--no-${flagName(key)}`, { key, option, means: false });
  }
  return flags;
}

function split(argument: string): [string, string?] {
  const at = argument.indexOf('=');
  return at === -1 ? [argument] : [argument.slice(0, at), argument.slice(at + 1)];
}

/** A text as a number. Other texts are returned unchanged, for the check to refuse them: `Number` would take '0x10'. */
function numberOf(text: string): unknown {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

function booleanOf(text: string, means: boolean): unknown {
  if (text === 'true') return means;
  return text === 'false' ? !means : text;
}

function unexpected(argument: string): UserError {
  return new UserError(
    `unexpected argument ${show(argument)}: flags begin with --${
      isScript()
        ? `, and npm passes them on only after a separate --, as in: ${typed('train', '--epochs 3')}`
        : ''
    }`,
  );
}

/** Columns of what is printed. */
export const WIDTH = 100;
const COLUMN = 30;

/** The text of `--help`, at most 100 columns wide. */
export function helpText(
  table: OptionTable,
  { about, usage, examples }: { about: string; usage: string; examples: readonly string[] },
): string {
  const options = Object.entries(table);
  const groups = new Set(options.map(([, { info }]) => info.group));
  return [
    ...wrap(about, WIDTH),
    '',
    `Usage: ${usage}`,
    ...[...groups].flatMap((group) => [
      '',
      `${group}:`,
      ...options.filter(([, { info }]) => info.group === group).flatMap(describe),
    ]),
    '',
    'Examples:',
    ...examples.map((example) => `  ${example}`),
    '',
  ].join('\n');
}

function describe([key, { info }]: [string, Option]): string[] {
  const names = [flagName(key), ...(info.alias === undefined ? [] : [info.alias])];
  const left = `  ${names.map((name) => `--${name}`).join(', ')} ${info.placeholder}`.trimEnd();
  const notes = [
    info.kind === 'number' ? info.expected.replace(/^an? /, '') : '',
    info.only === undefined ? '' : `only with --${flagName(info.only[0])} ${info.only[1].join(', ')}`,
  ].filter((note) => note !== '');
  const fallback =
    info.unset ?? (info.kind === 'boolean' || info.default === undefined ? '' : String(info.default));
  const right = [
    info.help,
    notes.length === 0 ? '' : `(${notes.join('; ')})`,
    fallback === '' ? '' : `[${fallback}]`,
  ].filter((part) => part !== '');
  const lines = wrap(right.join(' '), WIDTH - COLUMN).map((line) => ' '.repeat(COLUMN) + line);
  const [first = '', ...others] = lines;
  return left.length + 2 > COLUMN ? [left, ...lines] : [left + first.slice(left.length), ...others];
}
