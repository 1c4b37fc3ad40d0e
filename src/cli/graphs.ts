/** `ortgrad graphs`: writes the ONNX files of specs. */
import { statSync } from 'node:fs';
import { GRAPH_NAMES, MEMORY_LEVELS } from '../artifacts/graphs.ts';
import { ensureArtifact, listGraphs, openGraph } from '../artifacts/store.node.ts';
import { choice, integer, type OptionTable } from '../config/options.ts';
import { sizeOf } from '../onnx/shapes.ts';
import { COMMON_FLAGS, helpText, parseFlags } from './flags.ts';
import { print } from './print.ts';
import { typed } from './typed.ts';

const TABLE = {
  microBatch: integer(
    { min: 1 },
    {
      group: 'Graphs',
      help: 'Examples that one run of a training graph holds.',
      default: undefined,
      unset: "the spec's microBatch",
    },
  ),
  memory: choice(MEMORY_LEVELS, {
    group: 'Graphs',
    help: `How much time to trade for memory: see ${typed('train', '--help')}.`,
    default: 'fast',
  }),
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

export async function graphs(argv: readonly string[]): Promise<void> {
  const { values, rest } = parseFlags(argv, TABLE, Number.POSITIVE_INFINITY);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Writes the training and inference graphs of specs as ONNX files beside each spec.json. Give the names or folders of graphs; the default is all under graphs/.',
        usage: typed('graphs', '[NAME …] [--micro-batch N] [--memory fast|lean|remat]'),
        examples: [typed('graphs'), typed('graphs', 'vit-b-cifar10 --micro-batch 4 --memory lean')],
      }),
    );
    return;
  }
  for (const name of rest.length > 0 ? rest : listGraphs()) {
    const graph = await openGraph(name);
    const start = performance.now();
    const artifact = await ensureArtifact(graph, {
      microBatch: values.microBatch ?? graph.spec.microBatch,
      memory: values.memory,
    });
    const { variables, microBatch, graphs: files } = artifact.manifest;
    const count = variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    const names = GRAPH_NAMES.filter((each) => files[each]);
    const bytes = names.reduce((sum, each) => sum + statSync(artifact.file(each)).size, 0);
    const time =
      artifact.written.length > 0
        ? `written in ${((performance.now() - start) / 1000).toFixed(1)} s`
        : 'up to date';
    const { damaged } = artifact;
    if (damaged.length > 0)
      print(`${graph.name}: ${damaged.join(', ')} had been damaged, and is written again`);
    print(
      `${graph.name}: ${count.toLocaleString('en')} parameters, micro-batch ${microBatch}, ${(bytes / 1e6).toFixed(1)} MB, ${time}`,
    );
  }
}
