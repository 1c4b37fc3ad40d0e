/**
 * A gradient of networks that PyTorch exported, as a training session takes it, beside PyTorch eager in the same rounds:
 *
 *     npm run bench:imported -- --python venv/bin/python [--networks NAME:BATCH,…] [--threads 1] [--rounds 5] [--profile]
 *
 * The networks are those of scripts/peers/import/torch_times.py; each side has a process of its own. Loss and norm of the
 * gradient are told besides, so that one sees that both compute the same. `--profile` tells which operators take the time.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runMain } from '../src/cli/fail.ts';
import { median } from '../src/median.ts';
import { type Respondent, startRespondent } from './bench/protocol.ts';
import { fixed, percent, renderSection, type Section } from './bench/section.ts';
import { medianRatio } from './bench/statistics.ts';
import { readTrace, sharesBy } from './bench/trace.ts';

const PEER = 'scripts/peers/import/torch_times.py';
const KEYS = ['cpu', 'ms', 'loss', 'norm', 'rss_peak'] as const;
type Figures = Record<(typeof KEYS)[number], number[]>;
const empty = (): Figures => ({ cpu: [], ms: [], loss: [], norm: [], rss_peak: [] });

await runMain(async (args) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      networks: { type: 'string', default: 'bert-tiny:16,resnet50-32:16,resnet50-224:4' },
      python: { type: 'string', default: 'python3' },
      threads: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '5' },
      /** Where the exported files are kept for the next time. */
      folder: { type: 'string', default: path.join(tmpdir(), 'ortgrad-exported') },
      profile: { type: 'boolean', default: false },
    },
  });
  const { python, threads, folder } = values;
  mkdirSync(folder, { recursive: true });
  for (const each of values.networks.split(',')) {
    const [name = '', batch = '1'] = each.split(':');
    const of = path.join(folder, `batch-${batch}`);
    if (!existsSync(path.join(of, `${name}.safetensors`))) {
      mkdirSync(of, { recursive: true });
      execFileSync(python, [PEER, 'export', of, name, batch], { stdio: ['ignore', 'ignore', 'inherit'] });
    }
    const ours = [...process.execArgv, 'scripts/bench/imported.ts', of, name, batch, threads];
    const here = startRespondent(process.execPath, ours);
    if (values.profile) {
      console.log(
        renderSection(await profileOf(here, path.join(of, `profile-${process.pid}`), each)).join('\n'),
      );
      await here.close();
      continue;
    }
    const there = startRespondent(python, [PEER, 'serve', name, batch, threads]);
    const sides = [
      { by: 'ortgrad', respondent: here, told: empty() },
      { by: 'PyTorch', respondent: there, told: empty() },
    ];
    for (let round = -1; round < Number(values.rounds); round++) {
      for (const { respondent, told } of sides) {
        const figure = await respondent.request({ cmd: 'run' });
        if (round >= 0) for (const key of KEYS) told[key].push(figure(key));
      }
    }
    for (const { respondent } of sides) await respondent.close();
    console.log(renderSection(section(each, sides)).join('\n'));
  }
});

interface Side {
  readonly by: string;
  readonly told: Figures;
}

function section(title: string, sides: readonly Side[]): Section {
  const [ours] = sides;
  return {
    title,
    head: ['by', 'CPU ms', 'least', 'ms', 'MB', 'loss', 'norm', 'CPU ÷ ours'],
    words: 1,
    rows: sides.map(({ by, told: { cpu, ms, rss_peak, loss, norm } }) => [
      ...[by, fixed(median(cpu)), fixed(Math.min(...cpu)), fixed(median(ms)), fixed(median(rss_peak) / 1e6)],
      ...[fixed(loss[0], 6), fixed(norm[0], 6)],
      ours && by !== ours.by ? fixed(medianRatio(cpu, ours.told.cpu), 2, '×') : '',
    ]),
    notes: [],
  };
}

/** Where the time of a gradient goes, by ONNX Runtime's own profile. */
async function profileOf({ request }: Respondent, profile: string, title: string): Promise<Section> {
  await request({ cmd: 'run', profile });
  const { dir, base } = path.parse(profile);
  const files = readdirSync(dir).filter((name) => name.startsWith(base));
  const trace = readTrace(JSON.parse(readFileSync(path.join(dir, files[0] ?? ''), 'utf8')));
  for (const file of files) rmSync(path.join(dir, file));
  return {
    title: `${title}: ${fixed(median(trace.runs) / 1000)} ms`,
    head: ['op', 'nodes', 'ms', 'share', 'GFLOP/s'],
    words: 1,
    rows: sharesBy(trace, ({ op }) => op)
      .slice(0, 14)
      .map(({ name, count, ms, share, gflops }) => [
        ...[name, fixed(count), fixed(ms, 1), percent(share), fixed(gflops ?? undefined)],
      ]),
    notes: [],
  };
}
