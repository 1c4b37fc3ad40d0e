/** The flags of `npm run bench`. */
import { availableParallelism } from 'node:os';
import { MEMORY_LEVELS } from '../../src/artifacts/graphs.ts';
import { COMMON_FLAGS } from '../../src/cli/flags.ts';
import {
  choice,
  integer,
  number,
  type OptionTable,
  suggestion,
  text,
  toggle,
} from '../../src/config/options.ts';
import { UserError } from '../../src/errors.ts';
import { PASS_NAMES } from '../../src/passes/finish.ts';
import { RUNTIMES, WORK } from './protocol.ts';

/** With these batches, each network has about as much work as ViT-Ti with 32 images. */
export const ALL_GRAPHS = 'vit-micro-cifar10:256,vit-ti-cifar10:32,vit-s-cifar10:16,vit-b-cifar10:4';
export const ONE_GRAPH = 'vit-ti-cifar10:32';

const [what, how, peers, output] = ['What to measure', 'How', 'Peers', 'Output'];

/** Flags of every benchmark. */
export const OUTPUT_FLAGS = {
  markdown: text({
    group: output,
    help: 'Also write the tables as Markdown.',
    placeholder: 'FILE',
    default: undefined,
  }),
  json: text({
    group: output,
    help: 'Also write every figure as JSON.',
    placeholder: 'FILE',
    default: undefined,
  }),
} as const satisfies OptionTable;

export const TABLE = {
  graphs: text({
    group: what,
    help: 'Graphs by name or by the path of their folder, each with its number of examples a step, separated by commas. With --growth and --dropout, Vision Transformers.',
    placeholder: 'NAME[:BATCH],…',
    default: undefined,
    unset: `${ALL_GRAPHS}; with --profile, --ablate, --growth or --dropout ${ONE_GRAPH}`,
  }),
  work: text({
    group: what,
    help: `Kinds of work: ${WORK.join(', ')}.`,
    placeholder: 'KINDS',
    default: undefined,
    unset: 'all; with --profile, --growth and --dropout gradient,exact; with --ablate exact',
  }),
  profile: toggle({
    group: what,
    help: 'Time by op and by part of the model, instead of the table of work.',
    default: false,
  }),
  ablate: toggle({
    group: what,
    help: 'Leave out each pass in turn and compare with the full graph, instead of the table of work.',
    default: false,
  }),
  growth: toggle({
    group: what,
    help: 'Growth with batch, tokens and depth, instead of the table of work.',
    default: false,
  }),
  dropout: number(
    { above: 0, below: 1 },
    {
      group: what,
      help: 'Gradient and exact with dropout of this rate beside the same without, instead of the table of work.',
      default: undefined,
      unset: 'without',
    },
  ),
  memory: choice(MEMORY_LEVELS, { group: how, help: "Memory level of ortgrad's graphs.", default: 'fast' }),
  without: text({
    group: how,
    help: `Passes to leave out of ortgrad's graphs: ${PASS_NAMES.join(', ')}.`,
    placeholder: 'PASSES',
    default: undefined,
  }),
  microBatch: integer(
    { min: 1 },
    {
      group: how,
      help: "Examples that one run of ortgrad's graphs holds.",
      default: undefined,
      unset: 'all of the batch',
    },
  ),
  runtime: choice(RUNTIMES, {
    group: how,
    help: "Our runtime: onnxruntime-node, or onnxruntime-web's wasm in node.",
    default: 'node',
  }),
  rounds: integer(
    { min: 1 },
    { group: how, help: 'Rounds that count, after two for warming up.', default: undefined, unset: '7' },
  ),
  quick: toggle({ group: how, help: 'Three rounds, after one for warming up.', default: false }),
  threads: integer({ min: 1 }, { group: how, help: 'CPU threads.', default: availableParallelism() }),
  peers: toggle({
    group: peers,
    help: 'Time PyTorch eager in the same rounds, after comparing its numbers; also ONNX Runtime training 1.19.2, if it is installed.',
    default: false,
  }),
  compile: toggle({
    group: peers,
    help: 'Also time torch.compile, which takes minutes to compile.',
    default: false,
  }),
  python: text({
    group: peers,
    help: 'Python with torch, safetensors and numpy.',
    placeholder: 'COMMAND',
    default: 'python3',
  }),
  pythonOrt: text({
    group: peers,
    help: 'Python with onnxruntime-training 1.19.2, onnx and safetensors.',
    placeholder: 'COMMAND',
    default: undefined,
    unset: 'that of --python',
  }),
  ...OUTPUT_FLAGS,
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

/** The names in a list such as `a,b`. Throws UserError for one that is not among `known`. */
export function namesIn<const Name extends string>(
  flag: string,
  list: string,
  known: readonly Name[],
): Name[] {
  return list.split(',').map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined)
      throw new UserError(`${flag} ${name}: expected some of ${known.join(', ')}${suggestion(name, known)}`);
    return found;
  });
}

/** `vit-ti-cifar10:32` as a name and a batch. A name alone takes the batch of its spec. Throws UserError. */
export function graphsIn(list: string): { readonly name: string; readonly batch: number | undefined }[] {
  return list.split(',').map((entry) => {
    const [, name, batch] = /^(.+?)(?::([1-9]\d*))?$/.exec(entry) ?? [];
    if (name === undefined || name.includes(':'))
      throw new UserError(`--graphs ${entry}: expected NAME or NAME:BATCH, a batch being an integer ≥ 1`);
    return { name, batch: batch === undefined ? undefined : Number(batch) };
  });
}
