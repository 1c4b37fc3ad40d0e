/**
 * Options that a user sets, by flag or in a JSON file. An option is a valibot schema together with its documentation, so
 * that one table gives the types, the checks, the defaults, the flags and the `--help` text. Pure: also for browsers.
 */
import * as v from 'valibot';
import { nearestName, show, UserError } from '../errors.ts';
import { FLAGS, type OptionNames } from '../option-names.ts';

export interface OptionInfo {
  /** Heading in `--help`. */
  readonly group: string;
  /** What it is for, its unit included. */
  readonly help: string;
  /** How a flag's text is read. */
  readonly kind: 'number' | 'text' | 'boolean';
  /** What a value has to be, for errors: `an integer ≥ 1`. */
  readonly expected: string;
  /** What stands for a value in `--help`: `N`. Nothing for a boolean. */
  readonly placeholder: string;
  readonly default: unknown;
  /** For `--help`, in place of the default: what happens if the option is not given. */
  readonly unset?: string;
  /** A second name for the flag. */
  readonly alias?: string;
  /** The option has an effect only if another one, named by its key, has one of these values. */
  readonly only?: readonly [key: string, values: readonly string[]];
  /** Reads a value that was given, in another form too; throws a UserError that begins with `where`. */
  readonly read?: (given: unknown, where: string) => unknown;
  /** A value as text, where it is no text, number or boolean. */
  readonly text?: (value: unknown) => string;
  /** Whether a resumed run may change it. It then does not enter the computation. */
  readonly resumable?: boolean;
}

export type Option = v.GenericSchema & { readonly info: OptionInfo };
/** Options by camelCase key, in the order of `--help`. */
export type OptionTable = Readonly<Record<string, Option>>;
/** A value for each option: the given one, or its default. */
export type OptionValues<T extends OptionTable> = Readonly<v.InferOutput<v.ObjectSchema<T, undefined>>>;
/** Options that were given, checked, by key. */
export type GivenOptions = Readonly<Record<string, unknown>>;

/** What a table says about an option beyond its type. */
type About<D> = Omit<OptionInfo, 'kind' | 'expected' | 'placeholder' | 'default'> & {
  readonly default: D;
  readonly placeholder?: string;
};

interface Range {
  /** Inclusive bounds. */
  readonly min?: number;
  readonly max?: number;
  /** Exclusive bounds. */
  readonly above?: number;
  readonly below?: number;
}

export function number<D extends number | undefined>(range: Range, about: About<D>) {
  const schema = v.pipe(v.number(), v.finite(), within(range));
  const expected = ['a number', ...bounds(range)].join(' ');
  return Object.assign(v.optional(schema, about.default), {
    info: { placeholder: 'X', ...about, kind: 'number', expected } satisfies OptionInfo,
  });
}

export function integer<D extends number | undefined>(range: Range, about: About<D>) {
  const schema = v.pipe(v.number(), v.safeInteger(), within(range));
  const expected = ['an integer', ...bounds(range)].join(' ');
  return Object.assign(v.optional(schema, about.default), {
    info: { placeholder: 'N', ...about, kind: 'number', expected } satisfies OptionInfo,
  });
}

/** Any text but the empty one; `placeholder` says what it is: `FOLDER`. */
export function text<D extends string | undefined>(about: About<D> & { readonly placeholder: string }) {
  return Object.assign(v.optional(v.pipe(v.string(), v.nonEmpty()), about.default), {
    info: { ...about, kind: 'text', expected: `text (${about.placeholder})` } satisfies OptionInfo,
  });
}

export function choice<const C extends readonly [string, ...string[]], D extends C[number] | undefined>(
  values: C,
  about: About<D>,
) {
  return Object.assign(v.optional(v.picklist(values), about.default), {
    info: {
      placeholder: values.join('|'),
      ...about,
      kind: 'text',
      expected: `one of ${values.join(', ')}`,
    } satisfies OptionInfo,
  });
}

/** What `read` makes of any value: text, or what a JSON file holds. `expected` says what it has to be. */
export function parsed<T>(
  read: (given: unknown, where: string) => T,
  write: (value: T) => string,
  otherwise: T & string,
  about: Omit<About<T>, 'default'> & { readonly placeholder: string; readonly expected: string },
) {
  const schema = v.custom<T>((given) => given !== undefined && given !== '');
  return Object.assign(
    v.optional(schema, () => otherwise),
    {
      info: {
        ...{ ...about, kind: 'text', default: otherwise, read },
        text: (value) => write(read(value, 'option')),
      } satisfies OptionInfo,
    },
  );
}

/** `--name` sets it, `--no-name` unsets it. */
export function toggle(about: About<boolean>) {
  return Object.assign(v.optional(v.boolean(), about.default), {
    info: { ...about, kind: 'boolean', expected: 'true or false', placeholder: '' } satisfies OptionInfo,
  });
}

function within({ min = -Infinity, max = Infinity, above = -Infinity, below = Infinity }: Range) {
  return v.check<number, undefined>((x) => x >= min && x <= max && x > above && x < below, undefined);
}

function bounds({ min, max, above, below }: Range): string[] {
  const signs = [
    ['≥', min],
    ['>', above],
    ['≤', max],
    ['<', below],
  ] as const;
  const said = signs.flatMap(([sign, bound]) => (bound === undefined ? [] : [`${sign} ${bound}`]));
  return said.length === 0 ? [] : [said.join(' and ')];
}

/** How an error names an option: by its key in the file `origin` or, without a file, as `names` says. */
export function optionLabel(key: string, origin?: string, names: OptionNames = FLAGS): string {
  return origin === undefined ? names.option(key) : `${origin}: ${key}`;
}

/**
 * Checks options from a file, which `origin` names, or given one by one, as `names` names them. Throws a UserError for
 * the first key that is not an option or value that does not fit.
 */
export function checkOptions(
  table: OptionTable,
  input: unknown,
  origin?: string,
  names: OptionNames = FLAGS,
): GivenOptions {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new UserError(`${origin ?? 'options'}: expected a JSON object of options, got ${show(input)}`);
  }
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  for (const [key, value] of Object.entries(given)) {
    const option = Object.hasOwn(table, key) ? table[key] : undefined;
    const label = optionLabel(key, origin, names);
    if (option === undefined)
      throw new UserError(`${label}: unknown option${suggestion(key, Object.keys(table))}`);
    if (!v.is(option, value)) {
      throw new UserError(`${label}: expected ${option.info.expected}, got ${show(value)}`);
    }
    if (option.info.read) given[key] = option.info.read(value, label);
  }
  return given;
}

/** The values of a table's options, defaults filled in, from options that `checkOptions` passed. */
export function withDefaults<const T extends OptionTable>(table: T, given: GivenOptions): OptionValues<T> {
  return v.parse(v.object(table), given);
}

/** `; did you mean …?` where one of `names` is near. */
export function suggestion(name: string, names: Iterable<string>): string {
  const near = nearestName(name, names);
  return near === undefined ? '' : `; did you mean ${near}?`;
}
