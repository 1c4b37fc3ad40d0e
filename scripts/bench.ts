/**
 * `npm run bench`: time, arithmetic rate and memory of the steps of training. Each round measures every subject in turn,
 * with a product of 2048×2048 matrices before each, so that a machine whose speed drifts does not mislead.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runMain } from '../src/cli/fail.ts';
import { type Flags, helpText, parseFlags } from '../src/cli/flags.ts';
import { UserError } from '../src/errors.ts';
import { PASS_NAMES } from '../src/passes/finish.ts';
import { benchAblation } from './bench/ablation.ts';
import { benchDropout } from './bench/dropout.ts';
import { ALL_GRAPHS, graphsIn, namesIn, ONE_GRAPH, TABLE } from './bench/flags.ts';
import { benchGrowth } from './bench/growth.ts';
import { machine, machineLine } from './bench/machine.ts';
import { expectVit, openNetwork } from './bench/network.ts';
import { findPeers, type Peer } from './bench/peers.ts';
import { benchProfile } from './bench/profile.ts';
import { WORK, type Work } from './bench/protocol.ts';
import { renderSection, type Section } from './bench/section.ts';
import { reasonOf, type Settings } from './bench/stage.ts';
import { benchWorks } from './bench/works.ts';

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    console.log(
      helpText(TABLE, {
        about:
          'Times forward pass, gradient, training step, finite-difference and exact gradient regularization.',
        usage: 'npm run bench -- [options]',
        examples: [
          'npm run bench -- --graphs vit-ti-cifar10:32 --quick',
          'npm run bench -- --peers --python venv/bin/python --markdown bench.md --json bench.json',
          'npm run bench -- --profile --work exact',
          'npm run bench -- --ablate --graphs vit-s-cifar10:16',
          'npm run bench -- --dropout 0.1 --peers --python venv/bin/python',
        ],
      }),
    );
    return;
  }
  const tasks = await plan(values);
  const { found, notes } = findPeers({ ...values, pythonOrt: values.pythonOrt ?? values.python });
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const sections: Section[] = [];
  const results: unknown[] = [];
  const show = (section: Section) => {
    sections.push(section);
    console.log(renderSection(section).join('\n'));
    // Written after each section, so that a later failure does not lose the earlier ones.
    if (values.markdown !== undefined)
      writeFileSync(values.markdown, `${sections.flatMap(renderSection).join('\n').trimEnd()}\n`);
    if (values.json !== undefined)
      writeFileSync(
        values.json,
        `${JSON.stringify({ machine: machine(), options: values, results }, null, 2)}\n`,
      );
  };
  show({ title: 'Machine', head: [], words: 0, rows: [], notes: [machineLine()] });
  if (notes.length > 0) show({ title: 'Peers', head: [], words: 0, rows: [], notes });
  for (const { label, run } of tasks) {
    const settings = settingsOf(values, found, folder, label);
    try {
      const { sections: shown, data } = await run(settings);
      results.push(data);
      shown.forEach(show);
    } catch (error) {
      if (values.verbose) console.error(error);
      process.exitCode = 1;
      show({ title: label, head: [], words: 0, rows: [], notes: [`failed: ${reasonOf(error)}`] });
    }
  }
});

type Values = Flags<typeof TABLE>['values'];

interface Task {
  readonly label: string;
  readonly run: (
    settings: Settings,
  ) => Promise<{ readonly sections: readonly Section[]; readonly data: unknown }>;
}

/** Plans all tasks. Throws UserError for what cannot be done, before anything is measured. */
async function plan(values: Values): Promise<Task[]> {
  const { profile, ablate, growth } = values;
  const special = profile || ablate || growth;
  if (special && (values.peers || values.compile))
    throw new UserError(
      '--peers and --compile: cannot be combined with --profile, --ablate or --growth; leave one of them out',
    );
  if (profile && values.runtime !== 'node')
    throw new UserError('--profile: expected --runtime node, got wasm, whose profiler writes no files');
  const { dropout } = values;
  if (dropout !== undefined && values.work?.split(',').includes('forward'))
    throw new UserError('--dropout: nothing is dropped in a forward pass; leave it out of --work');
  const works = (fallback: string): Work[] => namesIn('--work', values.work ?? fallback, WORK);
  const graphs = graphsIn(values.graphs ?? (special || dropout !== undefined ? ONE_GRAPH : ALL_GRAPHS));
  const networks = await Promise.all(graphs.map(({ name, batch }) => openNetwork(name, batch)));
  if (growth || dropout !== undefined) networks.forEach(expectVit);
  if (values.microBatch !== undefined) {
    for (const { label, batch } of networks) {
      if (batch % values.microBatch !== 0)
        throw new UserError(
          `--micro-batch ${values.microBatch}: expected a divisor of the batch of ${label}`,
        );
    }
  }
  return networks.flatMap((network): Task[] => {
    const each = (names: string, kind: string, run: (work: Work) => Task['run']): Task[] =>
      works(names).map((work) => ({ label: `${network.label}, ${work}: ${kind}`, run: run(work) }));
    return [
      ...(profile
        ? each('gradient,exact', 'profile', (work) => async (settings) => {
            const { sections, profile: data } = await benchProfile(network, work, settings);
            return { sections, data };
          })
        : []),
      ...(ablate
        ? each('exact', 'ablation', (work) => async (settings) => {
            const { section, rows } = await benchAblation(network, work, settings);
            return { sections: [section], data: { ablation: rows } };
          })
        : []),
      ...(growth
        ? each('gradient,exact', 'growth', (work) => async (settings) => {
            const { section, rows } = await benchGrowth(expectVit(network), work, settings);
            return { sections: [section], data: { growth: rows } };
          })
        : []),
      ...(dropout !== undefined
        ? each('gradient,exact', 'dropout', (work) => async (settings) => {
            const { section, rows } = await benchDropout(expectVit(network), work, dropout, settings);
            return { sections: [section], data: { dropout: rows } };
          })
        : []),
      ...(special || dropout !== undefined
        ? []
        : [
            {
              label: network.label,
              run: async (settings: Settings) => {
                const { section, rows, setUp } = await benchWorks(network, works(WORK.join()), settings);
                return { sections: [section], data: { rows, set_up: setUp } };
              },
            },
          ]),
    ];
  });
}

function settingsOf(values: Values, peers: readonly Peer[], folder: string, label: string): Settings {
  const without = values.without === undefined ? [] : namesIn('--without', values.without, PASS_NAMES);
  return {
    rounds: values.quick
      ? { counted: values.rounds ?? 3, warmup: 1 }
      : { counted: values.rounds ?? 7, warmup: 2 },
    threads: values.threads,
    runtime: values.runtime,
    options: { memory: values.memory, without },
    microBatch: values.microBatch,
    peers,
    folder,
    progress: (text) => {
      if (process.stderr.isTTY) process.stderr.write(text === '' ? '\r\x1b[K' : `\r\x1b[K${label}: ${text} `);
    },
  };
}
