/**
 * `npm run bench:sequence -- --python venv/bin/python`: a gradient and an exactly regularized one of recurrent networks
 * and of FT-Transformer, beside PyTorch's, in the same rounds. Each side runs in a process of its own; Linux only.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runMain } from '../src/cli/fail.ts';
import { COMMON_FLAGS, helpText, parseFlags } from '../src/cli/flags.ts';
import { integer, type OptionTable, text } from '../src/config/options.ts';
import { median } from '../src/median.ts';
import { namesIn, OUTPUT_FLAGS } from './bench/flags.ts';
import { machine, machineLine } from './bench/machine.ts';
import { expectTorch } from './bench/peers.ts';
import { fixed, renderSection, type Section } from './bench/section.ts';
import { SEQUENCE_NETWORKS, type SequenceNetwork, type Work } from './bench/sequence-network.ts';
import { medianRatio } from './bench/statistics.ts';

const WORKS: readonly Work[] = ['grad', 'exact'];
const NAMES: readonly SequenceNetwork[] = ['lstm', 'gru', 'ft-transformer'];

const TABLE = {
  networks: text({
    group: 'What to measure',
    help: `Networks: ${NAMES.join(', ')}.`,
    placeholder: 'NAMES',
    default: NAMES.join(),
  }),
  rounds: integer({ min: 1 }, { group: 'How', help: 'Rounds, each with a run of both sides.', default: 10 }),
  threads: integer({ min: 1 }, { group: 'How', help: 'CPU threads.', default: 1 }),
  python: text({
    group: 'How',
    help: 'Python with torch and numpy (scripts/peers/requirements.txt).',
    placeholder: 'COMMAND',
    default: 'python3',
  }),
  ...OUTPUT_FLAGS,
  ...COMMON_FLAGS,
} as const satisfies OptionTable;

interface Reply {
  /** Of a run: by the clock, and of processor time, which says more where other programs fill the cores. */
  readonly ms: number;
  readonly cpu: number;
  readonly peak: number;
}

interface Side {
  run(): Promise<Reply>;
  close(): void;
}

await runMain(async (argv) => {
  const { values } = parseFlags(argv, TABLE);
  if (values.help) {
    const about = 'Times recurrent networks and FT-Transformer, and PyTorch beside them. Linux only.';
    const examples = [
      'npm run bench:sequence -- --python venv/bin/python',
      'npm run bench:sequence -- --networks lstm',
    ];
    console.log(helpText(TABLE, { about, usage: 'npm run bench:sequence -- [options]', examples }));
    return;
  }
  const names = namesIn('--networks', values.networks, NAMES);
  expectTorch(values.python, '--python');
  const folder = mkdtempSync(path.join(tmpdir(), 'ortgrad-sequence-'));
  const rows: Measured[] = [];
  console.log(`${machineLine()}\n`);
  try {
    for (const name of names) {
      for (const work of WORKS) {
        const measured = await compare(name, work, values, folder);
        rows.push(measured);
        console.log(rowOf(measured).join('  '));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const section = sectionOf(rows, values.threads);
  console.log(`\n${renderSection(section).join('\n')}`);
  if (values.markdown !== undefined)
    writeFileSync(values.markdown, `${renderSection(section).join('\n').trimEnd()}\n`);
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), options: values, rows }, null, 2)}\n`);
  }
});

interface Measured {
  readonly name: SequenceNetwork;
  readonly work: Work;
  readonly ours: readonly Reply[];
  readonly theirs: readonly Reply[];
}

/** Both sides in turn, the one that goes first changing with each round; the first run of each is not counted. */
async function compare(
  name: SequenceNetwork,
  work: Work,
  { rounds, threads, python }: { readonly rounds: number; readonly threads: number; readonly python: string },
  folder: string,
): Promise<Measured> {
  const job = path.join(folder, 'job.json');
  writeFileSync(job, JSON.stringify({ ...SEQUENCE_NETWORKS[name], name, work, threads }));
  const script = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const subject = [...process.execArgv, script('bench/sequence-subject.ts'), job];
  const sides = [
    startSide(process.execPath, subject, work),
    startSide(python, [script('peers/torch_sequence.py'), 'time', job], work),
  ] as const;
  const replies: readonly [Reply[], Reply[]] = [[], []];
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const at of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const reply = await sides[at].run();
        if (round > 0) replies[at].push(reply);
      }
    }
  } finally {
    for (const side of sides) side.close();
  }
  return { name, work, ours: replies[0], theirs: replies[1] };
}

function startSide(command: string, args: readonly string[], work: Work): Side {
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run() {
      child.stdin.write(`${work}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${command}: it ended before it answered`);
      return JSON.parse(value);
    },
    close() {
      child.stdin.end();
    },
  };
}

function rowOf({ name, work, ours, theirs }: Measured): string[] {
  const of = (pick: (reply: Reply) => number) => [ours.map(pick), theirs.map(pick)] as const;
  const [[a, b], [c, d], [p, q]] = [of(({ ms }) => ms), of(({ cpu }) => cpu), of(({ peak }) => peak / 1e6)];
  const [peakA, peakB] = [Math.max(...p), Math.max(...q)];
  const [leastA, leastB] = [Math.min(...c), Math.min(...d)];
  return [
    ...[`${name} ×${SEQUENCE_NETWORKS[name].batch}`, work],
    ...[fixed(median(c), 1), fixed(median(d), 1), fixed(medianRatio(d, c), 2, '×')],
    ...[fixed(leastA, 1), fixed(leastB, 1), fixed(leastB / leastA, 2, '×'), fixed(medianRatio(b, a), 2, '×')],
    ...[fixed(peakA), fixed(peakB), fixed(peakA / peakB, 2, '×')],
  ];
}

function sectionOf(rows: readonly Measured[], threads: number): Section {
  return {
    title: `Recurrent networks and FT-Transformer, ${threads} thread${threads === 1 ? '' : 's'}`,
    head: [
      'network',
      'work',
      'CPU ms',
      'PyTorch',
      'speed',
      'least',
      'PyTorch',
      'speed',
      'speed by the clock',
      'peak MB',
      'PyTorch',
      'ratio',
    ],
    words: 2,
    rows: rows.map(rowOf),
    notes: [],
  };
}
