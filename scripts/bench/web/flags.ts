/** The flags of `npm run bench:web`. */
import { availableParallelism } from 'node:os';
import { COMMON_FLAGS } from '../../../src/cli/flags.ts';
import { integer, type OptionTable, text, toggle } from '../../../src/config/options.ts';
import { UserError } from '../../../src/errors.ts';
import { OUTPUT_FLAGS } from '../flags.ts';
import type { Work } from '../protocol.ts';

/** The kinds of work that every subject can do. */
export const WEB_WORK = ['forward', 'gradient', 'exact'] as const satisfies readonly Work[];

const [what, how] = ['What to measure', 'How'];

export const WEB_TABLE = {
  graphs: text({
    group: what,
    help: 'Vision Transformers, each with its number of images a step, separated by commas.',
    placeholder: 'NAME[:BATCH],…',
    default: 'vit-micro-mnist:32',
  }),
  work: text({
    group: what,
    help: `Kinds of work: ${WEB_WORK.join(', ')}.`,
    placeholder: 'KINDS',
    default: WEB_WORK.join(),
  }),
  peers: toggle({
    group: what,
    help: 'Time TensorFlow.js and jax-js in the same rounds, after comparing their numbers. By default, if they are installed; with the flag, they must be.',
    default: true,
  }),
  threads: text({
    group: how,
    help: 'Numbers of threads to measure each subject with, separated by commas. More than one thread takes a cross-origin isolated page.',
    placeholder: 'N,…',
    default: availableParallelism() > 1 ? '1,2' : '1',
  }),
  rounds: integer(
    { min: 1 },
    { group: how, help: 'Rounds that count, after two for warming up.', default: undefined, unset: '7' },
  ),
  quick: toggle({ group: how, help: 'Three rounds, after one for warming up.', default: false }),
  limit: integer(
    { min: 1 },
    { group: how, help: 'Seconds that a peer has to be ready and to compute once.', default: 300 },
  ),
  ...OUTPUT_FLAGS,
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** `1,2` as numbers. Throws UserError. */
export function threadsIn(list: string): number[] {
  return list.split(',').map((entry) => {
    if (!/^[1-9]\d*$/.test(entry))
      throw new UserError(
        `--threads ${list}: expected integers ≥ 1 separated by commas, got ${entry || 'nothing'}`,
      );
    return Number(entry);
  });
}
