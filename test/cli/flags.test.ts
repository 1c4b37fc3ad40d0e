import test from 'ava';
import { COMMON_FLAGS, helpText, parseFlags } from '../../src/cli/flags.ts';
import { OPTIONS } from '../../src/config/config.ts';
import { integer, text, toggle } from '../../src/config/options.ts';
import { UserError } from '../../src/errors.ts';

const TABLE = { ...OPTIONS, ...COMMON_FLAGS };
const given = (...argv: string[]) => parseFlags(argv, TABLE).given;

test('values follow a space or an equals sign, and toggles have none', (t) => {
  t.deepEqual(given('--epochs', '3', '--lr=1e-3', '--data=a=b', '--nesterov', '--verbose'), {
    epochs: 3,
    learningRate: 1e-3,
    data: 'a=b',
    nesterov: true,
    verbose: true,
  });
  t.deepEqual(given('--no-nesterov', '-h'), { nesterov: false, help: true });
  t.deepEqual(given('--nesterov=false'), { nesterov: false });
  t.deepEqual(given('--seed', '+7', '--weight-decay', '.5'), { seed: 7, weightDecay: 0.5 });
});

test('what is not given has its default', (t) => {
  const { values, given: none, rest } = parseFlags(['a'], TABLE, 1);
  t.like(values, { epochs: OPTIONS.epochs.info.default, help: false, data: undefined });
  t.deepEqual([none, rest], [{}, ['a']]);
});

const REFUSED: [argv: string[], message: string][] = [
  [['--epocs', '3'], '--epocs: unknown flag; did you mean --epochs?'],
  [['--batchSize=3'], '--batchSize: unknown flag; did you mean --batch-size?'],
  [['-epochs', '3'], '-epochs: unknown flag; did you mean --epochs?'],
  [['--zzzzzzzzzzzzz'], '--zzzzzzzzzzzzz: unknown flag'],
  [['--no-epochs'], '--no-epochs: unknown flag; did you mean --epochs?'],
  [['--epochs'], '--epochs: expected an integer ≥ 1, got nothing'],
  [['--epochs', '--seed', '1'], '--epochs: expected an integer ≥ 1, got --seed'],
  [['--epochs='], '--epochs: expected an integer ≥ 1, got ""'],
  [['--epochs', 'abc'], '--epochs: expected an integer ≥ 1, got "abc"'],
  [['--epochs', '-1'], '--epochs: expected an integer ≥ 1, got -1'],
  [['--lr', 'NaN'], '--learning-rate: expected a number > 0, got "NaN"'],
  [['--lr', '0x10'], '--learning-rate: expected a number > 0, got "0x10"'],
  [['--lr', '1e999'], '--learning-rate: expected a number > 0, got Infinity'],
  [['--device', 'gpu'], '--device: expected one of cpu, cuda, webgpu, got "gpu"'],
  [['--nesterov=maybe'], '--nesterov: expected true or false, got "maybe"'],
  [['--lr', '1', '--learning-rate', '2'], '--learning-rate: --learning-rate is given twice'],
  [['3'], 'unexpected argument "3": flags begin with --'],
];

for (const [argv, message] of REFUSED) {
  test(`refused: ${message}`, (t) => {
    t.is(t.throws(() => given(...argv), { instanceOf: UserError }).message, message);
  });
}

test('help: groups in order, notes and defaults, aligned', (t) => {
  const table = {
    size: integer({ min: 1 }, { group: 'First', help: 'How many.', default: 2, alias: 's' }),
    wholePart: text({
      group: 'Second',
      help: 'Which.',
      placeholder: 'NAME',
      default: undefined,
      unset: 'all',
    }),
    aRatherLongNameForAnOption: text({
      group: 'Second',
      help: 'This one has so much to be said about it that there is need for a second line.',
      placeholder: 'NAME',
      default: undefined,
      only: ['size', ['1', '2']],
    }),
    loud: toggle({ group: 'First', help: 'Says so.', default: false }),
  };
  t.is(
    helpText(table, { about: 'Does things.', usage: 'do [flags]', examples: ['do it'] }),
    `Does things.

Usage: do [flags]

First:
  --size, --s N               How many. (integer ≥ 1) [2]
  --loud                      Says so.

Second:
  --whole-part NAME           Which. [all]
  --a-rather-long-name-for-an-option NAME
                              This one has so much to be said about it that there is need for a
                              second line. (only with --size 1, 2)

Examples:
  do it
`,
  );
});

test('help of training: every flag, in 100 columns', (t) => {
  const lines = helpText(TABLE, { about: 'Trains.', usage: 'train', examples: ['train'] }).split('\n');
  t.deepEqual(
    lines.filter((line) => line.length > 100),
    [],
  );
  const flags = lines.flatMap((line) => /^ {2}--([a-z0-9-]+)/.exec(line)?.[1] ?? []);
  t.is(flags.length, Object.keys(TABLE).length);
  t.true(flags.includes('micro-batch') && flags.includes('help'));
});
