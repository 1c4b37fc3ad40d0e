/** How messages name options and their values: as the user gave them, by flags or in a form. */
export interface OptionNames {
  /** An option by its key: `--gr-warmup`. */
  option(key: string): string;
  /** A value of an option: `zero`. */
  value(key: string, value: unknown): string;
}

/** Names as on the command line. */
export const FLAGS: OptionNames = {
  option: (key) => `--${flagName(key)}`,
  value: (_key, value) => String(value),
};

/** An option with a value: `--gr-warmup zero`. */
export function setting({ option, value }: OptionNames, key: string, to: unknown): string {
  return `${option(key)} ${value(key, to)}`;
}

/** `batchSize` as `batch-size`. */
export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
