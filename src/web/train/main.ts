/** The page that trains. It shows the run and sends requests to its worker. */

import { messageOf } from '../../errors.ts';
import { element, say } from '../dom.ts';
import { type Answers, createAnswers } from './answers.ts';
import { type BackendName, whatIsMissing } from './backend.ts';
import { createCurves } from './charts.ts';
import { facts } from './labels.ts';
import type { Offer, Reply, Request } from './messages.ts';
import { onDrop, RunView, startWorker } from './run-view.ts';
import { createSettings, FROM_SCRATCH } from './settings.ts';

const GRAPH = 'vit-micro-mnist';

const worker = startWorker('worker.js', () => view.enter('loading'));
let offer: Offer | undefined;
let answers: Answers | undefined;

const settings = createSettings(FROM_SCRATCH);
const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
const [save, exported] = [button('save'), button('export')];
const loader = element('load', HTMLInputElement);
const view = new RunView(
  createCurves(element('charts', HTMLElement), { tested: 'test', things: 'images', top: 2.4 }),
  {
    entered(phase, isOpen) {
      save.disabled = exported.disabled = !isOpen;
      loader.disabled = phase === 'loading' || phase === 'busy';
    },
    opened: ({ config }) => settings.show(config),
    changed(what) {
      if (what !== 'learnt') answers?.show();
      if (what !== 'closed') answers?.ask();
    },
  },
);

function ask(request: Request): void {
  worker.postMessage(request);
}

function backend(): BackendName {
  const { value } = element('backend', HTMLSelectElement);
  return offer?.backends.find(({ name }) => name === value)?.name ?? 'wasm';
}

function ready(info: Offer): void {
  offer = info;
  const { backends, train, test, classes } = info;
  element('backend', HTMLSelectElement).append(...backends.map(({ name, label }) => new Option(label, name)));
  element('facts', HTMLElement).textContent = facts(
    `${train.toLocaleString('en')} handwritten digits, and is tested on ${test.toLocaleString('en')} others`,
  );
  answers = createAnswers(classes, (pixels) =>
    view.run ? ask({ kind: 'classify', pixels }) : answers?.show(),
  );
  view.enter('idle');
  say('');
}

worker.addEventListener('message', ({ data: reply }: MessageEvent<Reply>) => {
  if (reply.kind === 'ready') ready(reply.offer);
  else if (reply.kind === 'answered') answers?.show(reply);
  else view.receive(reply);
});

function load(files: readonly File[]): void {
  if (files.length > 0 && !loader.disabled) ask({ kind: 'load', files, backend: backend() });
}

element('settings', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  try {
    const begun = { ...settings.read(), graph: GRAPH, trainFraction: offer?.fraction ?? 1 };
    ask(view.request ?? { kind: 'begin', settings: begun, backend: backend() });
  } catch (error) {
    say(messageOf(error), true);
  }
});
button('reset').addEventListener('click', () => ask({ kind: 'reset' }));
save.addEventListener('click', () => ask({ kind: 'save' }));
exported.addEventListener('click', () => ask({ kind: 'export' }));
loader.addEventListener('change', () => {
  load([...(loader.files ?? [])]);
  loader.value = ''; // or else the browser would not report the same file again
});
onDrop(
  ({ files }) => load([...files]),
  (isOver) => element('files', HTMLElement).classList.toggle('over', isOver),
);

element('missing', HTMLElement).append(
  ...whatIsMissing().map((textContent) => Object.assign(document.createElement('li'), { textContent })),
);
view.enter('loading');
say('Loading the digits …');
view.draw();
