/** Images a second of every kind of work of one network, by ortgrad and its peers, each in a page of its own. */
import path from 'node:path';
import type { Browser } from 'playwright-core';
import type { GraphName } from '../../../src/artifacts/graphs.ts';
import { median } from '../../../src/median.ts';
import { type Tensors, TOLERANCE, tensorErrors } from '../compare.ts';
import type { Network } from '../network.ts';
import type { Job, Work } from '../protocol.ts';
import { type Rounds, runRounds } from '../rounds.ts';
import { fixed, type Section } from '../section.ts';
import { reasonOf, type Stage, setStage } from '../stage.ts';
import { medianRatio } from '../statistics.ts';
import type { WebPeer } from './peers.ts';
import { moduleOf, OURS } from './site.ts';
import { openSubject, type PageSubject } from './subject.ts';

export interface WebSettings {
  readonly rounds: Rounds;
  readonly threads: readonly number[];
  readonly peers: readonly WebPeer[];
  readonly browser: Browser;
  /** The folder that is served. */
  readonly folder: string;
  /** Its addresses, with and without cross-origin isolation. */
  readonly origins: { readonly plain: string; readonly isolated: string };
  /** Milliseconds that a peer has to be ready and to compute once. */
  readonly limit: number;
  readonly progress: (text: string) => void;
}

export interface WebRow {
  readonly network: string;
  readonly work: Work;
  readonly subject: string;
  readonly threads: number;
  readonly median_ms: number;
  readonly min_ms: number;
  readonly images_per_s: number;
  /** The peer's time over ortgrad's with as many threads, in the same rounds. */
  readonly over_ours?: number;
  /** The relative error of each tensor, against ortgrad's with the fewest threads. */
  readonly errors?: Readonly<Record<string, number>>;
}

interface Contender {
  readonly work: Work;
  readonly name: string;
  readonly isPeer: boolean;
  readonly threads: number;
  readonly page: PageSubject;
  readonly errors?: ReadonlyMap<string, number>;
}

export async function benchWeb(
  network: Network,
  works: readonly Work[],
  settings: WebSettings,
): Promise<{ readonly sections: readonly Section[]; readonly rows: readonly WebRow[] }> {
  const stage = setStage(network, {
    ...settings,
    threads: 1,
    runtime: 'wasm',
    options: { memory: 'fast' },
    microBatch: undefined,
    peers: [],
  });
  const rows: WebRow[] = [];
  const notes: string[] = [];
  for (const work of works) rows.push(...(await benchWork(work, { stage, settings, notes })));
  const compared = rows.filter(({ errors }) => errors !== undefined);
  const errors = compared.length === 0 ? [] : [errorSection(network.label, compared)];
  return { sections: [section(network.label, rows, notes), ...errors], rows };
}

interface Context {
  readonly stage: Stage;
  readonly settings: WebSettings;
  readonly notes: string[];
}

async function benchWork(work: Work, { stage, settings, notes }: Context): Promise<WebRow[]> {
  const contenders: Contender[] = [];
  try {
    await startAll(work, contenders, { stage, settings, notes });
    const samples = await runRounds(contenders, ({ page }) => page.time(), settings.rounds, {
      progress: (text) => settings.progress(text === '' ? '' : `${work}: ${text}`),
      failed: ({ name, threads }, why) => notes.push(`${work}: ${name}, threads ${threads}, failed: ${why}`),
    });
    return contenders.flatMap((contender) => {
      const times = samples.get(contender);
      if (!times) return [];
      const ours = contenders.find(({ isPeer, threads }) => !isPeer && threads === contender.threads);
      return [rowOf(stage.network, contender, times, ours && samples.get(ours))];
    });
  } finally {
    await Promise.all(contenders.map(({ page }) => page.close()));
  }
}

/** ortgrad and the peers that compute the same numbers. */
async function startAll(work: Work, contenders: Contender[], context: Context): Promise<void> {
  const { settings, notes } = context;
  let reference: Tensors | undefined;
  for (const threads of settings.threads) {
    settings.progress(`${work}: ortgrad, threads ${threads}`);
    const page = await openPage(OURS, { work, threads, variant: 'wasm' }, context);
    const common = { work, name: 'ortgrad', isPeer: false, threads, page };
    const own = await page.results();
    contenders.push(reference ? { ...common, errors: tensorErrors(own, reference) } : common);
    reference ??= own;
  }
  for (const peer of settings.peers) {
    // A variant that fails with one number of threads is not tried with the next.
    let { variants } = peer;
    for (const threads of settings.threads) {
      const wanted = { work, threads, reference: reference ?? new Map() };
      const started = await startPeer({ ...peer, variants }, wanted, context);
      if (started) contenders.push(started.contender);
      else notes.push(`${work}: ${peer.name} cannot, with threads ${threads}`);
      variants = started?.variants ?? [];
    }
  }
}

interface Wanted {
  readonly work: Work;
  readonly threads: number;
  readonly reference: Tensors;
}

/** The first of a peer's variants that computes the same numbers, and the variants from it on. */
async function startPeer(
  peer: WebPeer,
  { work, threads, reference }: Wanted,
  context: Context,
): Promise<{ readonly contender: Contender; readonly variants: readonly string[] } | undefined> {
  const { settings, notes } = context;
  for (const [i, variant] of peer.variants.entries()) {
    const name = `${peer.name} ${variant}`;
    settings.progress(`${work}: ${name}, threads ${threads}`);
    let page: PageSubject | undefined;
    try {
      page = await openPage(moduleOf(peer), { work, threads, variant }, context);
      const errors = tensorErrors(await page.results(), reference);
      const [tensor, error] = worst(errors);
      if (!(error < TOLERANCE))
        throw new Error(`its results differ from ours, ${tensor} by ${error.toExponential(1)} relative`);
      const contender = { work, name, isPeer: true, threads, page, errors };
      return { contender, variants: peer.variants.slice(i) };
    } catch (error) {
      await page?.close();
      notes.push(`${work}: ${name}, threads ${threads}, is left out: ${reasonOf(error)}`);
    }
  }
  return undefined;
}

function openPage(
  module: string,
  { work, threads, variant }: { readonly work: Work; readonly threads: number; readonly variant: string },
  { stage, settings }: Context,
): Promise<PageSubject> {
  const { browser, folder, origins, limit } = settings;
  const origin = threads === 1 ? origins.plain : origins.isolated;
  return openSubject(browser, origin, {
    module,
    variant,
    job: addressed({ ...stage.job(work), threads }, folder),
    limit,
  });
}

/** The job with the addresses of its files in place of their paths. */
function addressed(job: Job, folder: string): Job {
  const address = (file: string) =>
    path.relative(folder, file).split(path.sep).map(encodeURIComponent).join('/');
  const files: Partial<Record<GraphName, string>> = {};
  for (const name of ['infer', 'loss-grad', 'gr-exact'] as const) {
    const file = job.files[name];
    if (file !== undefined) files[name] = address(file);
  }
  return { ...job, weights: address(job.weights), inputs: address(job.inputs), files };
}

function worst(errors: ReadonlyMap<string, number>): readonly [tensor: string, error: number] {
  return [...errors].reduce((a, b) => (b[1] > a[1] ? b : a), ['no tensor', 0]);
}

function rowOf(
  { label, batch }: Network,
  { work, name, isPeer, threads, errors }: Contender,
  times: readonly number[],
  ours: readonly number[] | undefined,
): WebRow {
  return {
    network: label,
    work,
    subject: name,
    threads,
    median_ms: median(times),
    min_ms: Math.min(...times),
    images_per_s: (1000 * batch) / median(times),
    ...(isPeer && ours ? { over_ours: medianRatio(times, ours) } : {}),
    ...(errors ? { errors: Object.fromEntries(errors) } : {}),
  };
}

function section(title: string, rows: readonly WebRow[], notes: readonly string[]): Section {
  return {
    title: `${title}, in Chromium`,
    head: ['work', 'by', 'threads', 'images/s', 'ms', 'min', '÷ ours', 'worst error'],
    words: 2,
    rows: rows.map((row) => [
      row.work,
      row.subject,
      String(row.threads),
      fixed(row.images_per_s, row.images_per_s < 100 ? 1 : 0),
      fixed(row.median_ms, row.median_ms < 100 ? 1 : 0),
      fixed(row.min_ms, row.min_ms < 100 ? 1 : 0),
      fixed(row.over_ours, 2, '×'),
      row.errors === undefined ? '' : Math.max(...Object.values(row.errors)).toExponential(1),
    ]),
    notes,
  };
}

/** The largest error of each tensor, over the blocks of the network and all numbers of threads. */
function errorSection(title: string, rows: readonly WebRow[]): Section {
  const columns = [...new Set(rows.map(({ work, subject }) => `${work}: ${subject}`))];
  const errors = new Map<string, Map<string, number>>();
  for (const row of rows) {
    for (const [tensor, error] of Object.entries(row.errors ?? {})) {
      const name = tensor.replace(/\bblock\d+\b/, 'block*');
      const column = `${row.work}: ${row.subject}`;
      const own = errors.get(name) ?? new Map<string, number>();
      errors.set(name, own.set(column, Math.max(own.get(column) ?? 0, error)));
    }
  }
  return {
    title: `${title}: relative error of each tensor against ortgrad's on one thread`,
    head: ['tensor', ...columns],
    words: 1,
    rows: [...errors].map(([name, own]) => [
      name,
      ...columns.map((column) => own.get(column)?.toExponential(1) ?? ''),
    ]),
    notes: [
      'gradients that are zero except for rounding, such as those of key biases, are measured against the whole gradient',
    ],
  };
}
