/** The worker behind the page. It does the data, graphs and steps, so that the page itself only draws. */
import digits from '../../../graphs/vit-micro-mnist/spec.json' with { type: 'json' };
import { messageOf } from '../../errors.ts';
import { decodeRun } from '../../storage/run-archive.ts';
import { type NamedFile, untar } from '../../storage/tar.ts';
import { parseSpec } from '../../tasks/parse-spec.ts';
import { fetched } from '../fetched.ts';
import { expectSimd } from '../support.ts';
import { availableBackends, BACKENDS } from './backend.ts';
import { Desk, reply, send } from './desk.ts';
import type { Reply, Request, RunRequest } from './messages.ts';
import { type PageDataset, unpackDataset } from './packed-dataset.ts';
import { type ImageTraining, newTraining, resumedTraining } from './training.ts';

const GRAPH = 'vit-micro-mnist';
const IMAGES = 'mnist.pack';

const desk = new Desk<Exclude<Request, RunRequest>, ImageTraining>();

async function answer(request: Exclude<Request, RunRequest>, dataset: PageDataset): Promise<void> {
  if (request.kind === 'begin') {
    reply({ kind: 'busy', text: 'Writing the graphs of the model and of its gradient …' });
    const options = { dataset, backend: BACKENDS[request.backend] };
    await desk.open(await newTraining(request.settings, parseSpec(digits, GRAPH), options));
    return desk.go();
  }
  if (request.kind === 'load') return load(request, dataset);
  const { training } = desk;
  if (!training) return;
  if (request.kind === 'save') return send(await training.save(new Date()));
  if (request.kind === 'export') return send(await training.export());
  const start = performance.now();
  const logits = await training.classify(request.pixels);
  reply<Reply>({ kind: 'answered', logits, milliseconds: performance.now() - start });
}

async function load(
  { files, backend }: Extract<Request, { kind: 'load' }>,
  dataset: PageDataset,
): Promise<void> {
  const origin = files.length === 1 ? (files[0]?.name ?? '') : 'the files';
  reply({ kind: 'busy', text: `Reading ${origin} …` });
  desk.pause();
  // The current run is closed only after the other is open, so that a file that does not fit loses nothing.
  const run = await decodeRun(await namedFiles(files), origin);
  const training = await resumedTraining(run, origin, { dataset, backend: BACKENDS[backend] });
  const { fraction, train } = dataset;
  const note = `Until now it was trained on other images; from here on it trains on the ${train.length.toLocaleString('en')} of this page.`;
  await desk.open(training, training.config.trainFraction === fraction ? '' : note);
}

/** The files in an archive, or the files that were chosen where there are several. */
async function namedFiles(files: readonly File[]): Promise<NamedFile[]> {
  const read = await Promise.all(
    files.map(async (file): Promise<NamedFile> => {
      const bytes = new Uint8Array(await file.arrayBuffer());
      return { path: file.webkitRelativePath || file.name, bytes };
    }),
  );
  const isPart = ({ path }: NamedFile): boolean => /\.(json|jsonl|safetensors)$/.test(path);
  return read.flatMap((file) =>
    isPart(file) ? [file] : files.length > 1 ? [] : untar(file.bytes, file.path),
  );
}

try {
  expectSimd();
  const dataset = await unpackDataset(await (await fetched(IMAGES)).blob(), IMAGES);
  const { train, test, fraction, classes } = dataset;
  const offer = {
    backends: await availableBackends(),
    train: train.length,
    test: test.length,
    fraction,
    classes,
  };
  reply<Reply>({ kind: 'ready', offer });
  await desk.work((request) => answer(request, dataset));
} catch (error) {
  reply({ kind: 'failed', message: messageOf(error) });
}
