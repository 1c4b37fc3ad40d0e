/** The page for a file of one's own. It shows the file, the data and the run, and sends requests to its worker. */
import { messageOf } from '../../errors.ts';
import { element, say } from '../dom.ts';
import { type BackendName, whatIsMissing } from '../train/backend.ts';
import { createCurves } from '../train/charts.ts';
import { onDrop, RunView, startWorker } from '../train/run-view.ts';
import { createSettings, FINE_TUNING } from '../train/settings.ts';
import { showData, showModel, showPlan } from './cards.ts';
import { createChoices } from './choices.ts';
import { chosenFiles, droppedFiles } from './dropped.ts';
import type { PickedFile, Reply, Request } from './messages.ts';

const worker = startWorker('own-worker.js', () => view.enter('loading'));
let hasModel = false;
let hasData = false;

const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
const settings = createSettings(FINE_TUNING);
const choices = createChoices(choose);
const view = new RunView(
  createCurves(element('charts', HTMLElement), { tested: 'held out', things: 'examples', top: 0.7 }),
  {
    entered(phase, isOpen) {
      button('tuned').disabled = !isOpen;
      button('adapters').disabled = !isOpen || choices.what() !== 'lora';
      if (phase === 'idle') button('run').disabled = !hasModel || !hasData;
      choices.fit();
    },
  },
);

function ask(request: Request): void {
  worker.postMessage(request);
}

/** Asks what the choices would train. */
function choose(): void {
  if (!hasModel || !hasData || view.phase !== 'idle') return;
  try {
    ask({ kind: 'choose', choices: choices.read() });
  } catch (error) {
    showPlan({ text: messageOf(error), isError: true });
  }
}

function take(kind: 'model' | 'data', files: readonly PickedFile[]): void {
  if (files.length === 0) return;
  if (view.run) say('reset the run first, then take other files', true);
  else ask({ kind, files });
}

worker.addEventListener('message', ({ data: reply }: MessageEvent<Reply>) => {
  switch (reply.kind) {
    case 'ready':
      element('backend', HTMLSelectElement).append(
        ...reply.backends.map(({ name, label }) => new Option(label, name)),
      );
      break;
    case 'model':
      hasModel = true;
      showModel(reply.card);
      choices.suggest(reply.card);
      break;
    case 'data':
      hasData = true;
      showData(reply.card);
      break;
    case 'planned':
      return showPlan(reply);
    default:
      return view.receive(reply);
  }
  view.enter('idle');
  say('');
  choose();
});

function backend(): BackendName {
  return element('backend', HTMLSelectElement).value === 'webgpu' ? 'webgpu' : 'wasm';
}

// What is not valid must be seen, or else nothing would say why the run does not start.
element('settings', HTMLFormElement).addEventListener(
  'invalid',
  ({ target }) => {
    if (target instanceof HTMLElement) target.closest('details')?.setAttribute('open', '');
  },
  true,
);
element('settings', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const batchSize = element('batch-size', HTMLInputElement).valueAsNumber;
  try {
    const begun = { ...settings.read(), batchSize };
    ask(view.request ?? { kind: 'begin', choices: choices.read(), settings: begun, backend: backend() });
  } catch (error) {
    say(messageOf(error), true);
  }
});
button('reset').addEventListener('click', () => ask({ kind: 'reset' }));
button('tuned').addEventListener('click', () => ask({ kind: 'tuned' }));
button('adapters').addEventListener('click', () => ask({ kind: 'adapters' }));

for (const [id, kind] of [
  ['model-files', 'model'],
  ['data-folder', 'data'],
  ['data-file', 'data'],
] as const) {
  const field = element(id, HTMLInputElement);
  field.addEventListener('change', () => {
    take(kind, chosenFiles(field.files));
    field.value = ''; // or else the browser would not report the same file again
  });
}
onDrop(
  async (transfer) => {
    const { model, data } = await droppedFiles(transfer);
    take('model', model);
    take('data', data);
  },
  (isOver) => {
    for (const id of ['drop-model', 'drop-data']) element(id, HTMLElement).classList.toggle('over', isOver);
  },
);

element('missing', HTMLElement).append(
  ...whatIsMissing().map((textContent) => Object.assign(document.createElement('li'), { textContent })),
);
view.enter('loading');
view.draw();
