/** `ortgrad inspect`: what an ONNX file is, what of it can be trained, and what stands in the way. */
import { type OptionTable, type OptionValues, text } from '../config/options.ts';
import { UserError } from '../errors.ts';
import { inspectSource } from '../import/inspect.ts';
import { fileText, operatorsText, parameterLines, verdictText } from '../import/inspection-text.ts';
import { readModel } from '../import/onnx-model.ts';
import type { ImportOptions } from '../import/plan.ts';
import { naming } from '../tasks/import-for.ts';
import { readOnnx } from '../tasks/imported.node.ts';
import { wrap } from '../wrap.ts';
import { COMMON_FLAGS, helpText, parseFlags, WIDTH } from './flags.ts';
import { aboutInputs, inputFlags } from './imported-spec.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  trainable: text({
    group: 'Inspection',
    help: 'Regular expression: what could be trained if only the parameters whose names it finds were.',
    placeholder: 'PATTERN',
    default: undefined,
    unset: 'all',
  }),
  output: text({
    group: 'Inspection',
    help: 'The output that is trained for.',
    placeholder: 'NAME',
    default: undefined,
    unset: 'all',
  }),
  ...inputFlags('Inspection'),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function inspect(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, 1);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Tells what an ONNX file is: operators, inputs and outputs, parameters by groups, what of it can be trained, and what stands in the way.',
        usage: typed('inspect', 'FILE [--trainable PATTERN]'),
        examples: [typed('inspect', 'model.onnx'), typed('inspect', "model.onnx --trainable '^head'")],
      }),
    );
    return;
  }
  const [file] = rest;
  if (file === undefined) throw new UserError('expected an ONNX file, for example model.onnx');
  const { bytes, external } = await readOnnx(file);
  const { source, inspected } = naming(file, () => {
    const read = readModel(bytes, external);
    return { source: read, inspected: inspectSource(read, { ...optionsOf(values), external }) };
  });
  const { inputs, outputs, openSizes } = inspected;
  say(`${file}: ${fileText(inspected, bytes.length)}`);
  for (const [name, type] of Object.entries(inputs)) say(`input ${name}: ${type}`);
  for (const [name, type] of Object.entries(outputs)) say(`output ${name}: ${type}`);
  if (openSizes.length > 0) say(`sizes to be given with --dim: ${openSizes.join(', ')}`);
  say(`operators: ${operatorsText(inspected)}`);
  for (const line of parameterLines(source)) say(line);
  say(verdictText(inspected));
}

/** Prints a text in lines of 100 columns. */
function say(text: string): void {
  const [first = '', ...others] = wrap(text, WIDTH - 2);
  print(first);
  for (const line of others) print(`  ${line}`);
}

function optionsOf({
  trainable,
  output,
  ...inputs
}: Pick<OptionValues<typeof TABLE>, 'trainable' | 'output' | 'dim' | 'fix'>): ImportOptions {
  return {
    ...(trainable !== undefined && { trainable }),
    ...(output !== undefined && { outputs: [output] }),
    ...aboutInputs(inputs),
  };
}
