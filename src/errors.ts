/**
 * An error that the user of the program can correct. Its message is one line that names what was wrong, where, what was
 * expected and what to do. The command line prints it without a stack trace.
 */
export class UserError extends Error {
  override readonly name = 'UserError';

  /** Makes the whole message `printable`, so that callers may put text from outside into it. */
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(printable(message, LONGEST_MESSAGE), options);
  }
}

const LONGEST_MESSAGE = 2000;
const LONGEST_VALUE = 80;
/** Room for the words that stand in place of what was cut, so that the result keeps to its limit. */
const MARK = 28;

/**
 * Makes text from outside (a class name, a path, a JSON value) one line that is safe in a terminal. Control characters
 * and characters that turn the direction of writing become escapes such as `\u001b`. A text of more than `limit`
 * characters loses its middle; the result says how many characters were cut. Applied twice, it changes nothing more.
 */
export function printable(text: string, limit = Number.POSITIVE_INFINITY): string {
  const escaped = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, escapeOf);
  if (escaped.length <= limit) return escaped;
  // Keeps more of the beginning, which says what is wrong, than of the end, which says what to do.
  const kept = limit - MARK;
  const tail = Math.floor(kept / 4);
  const cut = (escaped.length - kept).toLocaleString('en');
  return `${escaped.slice(0, kept - tail)} … ${cut} characters … ${escaped.slice(-tail)}`;
}

function escapeOf(character: string): string {
  if (character === '\n') return '\\n';
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A value as an error quotes it: its JSON if it has one, `printable`, and cut if it is long. */
export function show(value: unknown): string {
  // JSON has no NaN, no infinity and no undefined.
  const json = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return printable(json, LONGEST_VALUE);
}

/** What a valibot schema found wrong. Its own message is not used, because it quotes a value whole, however long. */
export function mismatch({
  expected,
  input,
  message,
}: {
  readonly expected: string | null;
  readonly input: unknown;
  readonly message: string;
}): string {
  if (expected === null) return printable(message, LONGEST_VALUE);
  return `expected ${expected}, got ${Array.isArray(input) ? `a list of ${input.length}` : show(input)}`;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * What a function of the user's gives. Whatever it throws is theirs to correct, so it becomes one line that begins with
 * `what`; its trace stays as the cause. A UserError, and an error of ours (`internal:`), stay as they are.
 */
export function asked<T>(what: string, give: () => T): T {
  try {
    return give();
  } catch (error) {
    throw theirs(what, error);
  }
}

/** `asked`, of a function that may be async. */
export async function askedAsync<T>(what: string, give: () => T | Promise<T>): Promise<T> {
  try {
    return await give();
  } catch (error) {
    throw theirs(what, error);
  }
}

function theirs(what: string, error: unknown): unknown {
  if (error instanceof UserError || messageOf(error).startsWith('internal:')) return error;
  return new UserError(`${what}: ${messageOf(error)}`, { cause: error });
}

/** A longer name is not a typing error, and comparing it would take long. */
const LONGEST_NAME = 200;

/** The name among `valid` that is nearest to `name` by edit distance, or undefined if none is near. */
export function nearestName(name: string, valid: Iterable<string>): string | undefined {
  if (name.length > LONGEST_NAME) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 2)) + 1;
  for (const candidate of valid) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitute));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
