/** The exported page: it takes a picture (a file, a drop, a drawing or a sample) and shows the five best answers. */
import { messageOf, UserError } from '../errors.ts';
import { type Classifier, loadClassifier } from './classifier.ts';
import { element, say } from './dom.ts';
import { drawOn } from './drawing.ts';
import { type Canvas, context, fitted, fittedDigit, type Picture, pixelsOf } from './picture.ts';

interface Job {
  /** The picture's name, as the page shows it. */
  readonly name: string;
  /** The picture's true class, where it is known. */
  readonly label?: string;
  /** Gives the picture at the model's size. */
  readonly read: () => Promise<Canvas>;
}

/** Returns a function that shows a picture. While one is worked on, only the latest of the others waits. */
function worker({ info, threads, classify }: Classifier): (job: Job) => void {
  const result = element('result', HTMLElement);
  let next: Job | undefined;
  let isBusy = false;
  let done = 0;

  async function show({ name, label, read }: Job): Promise<void> {
    const picture = await read();
    const { answers, milliseconds } = await classify(pixelsOf(picture, info.image.channels));
    const seen = element('seen', HTMLCanvasElement);
    [seen.width, seen.height] = [picture.width, picture.height];
    context(seen).putImageData(context(picture).getImageData(0, 0, seen.width, seen.height), 0, 0);
    element('answers', HTMLElement).replaceChildren(
      ...answers.map((answer) => {
        const row = document.createElement('li');
        const percent = `${(100 * answer.probability).toFixed(1)}%`;
        const bar = Object.assign(document.createElement('i'), { className: 'bar' });
        bar.style.width = percent;
        row.append(
          Object.assign(document.createElement('b'), { textContent: answer.label }),
          Object.assign(document.createElement('span'), { textContent: percent }),
          bar,
        );
        return row;
      }),
    );
    const truth = label === undefined ? '' : ` · it is ${label}`;
    element('name', HTMLElement).textContent = `${name}${truth}`;
    const time = milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
    element('time', HTMLElement).textContent =
      `${time} ms in WebAssembly, ${threads === 1 ? '1 thread' : `${threads} threads`}`;
    result.hidden = false;
    result.dataset.done = String(++done);
    say('');
  }

  async function work(): Promise<void> {
    isBusy = true;
    while (next) {
      const job = next;
      next = undefined;
      await show(job).catch((error: unknown) => say(messageOf(error), true));
    }
    isBusy = false;
  }

  return (job) => {
    next = job;
    if (!isBusy) void work();
  };
}

async function opened(file: Blob, name: string): Promise<ImageBitmap> {
  return createImageBitmap(file).catch(() => {
    throw new UserError(
      `${name}: expected an image that this browser can read (PNG, JPEG, WebP, GIF), got something else`,
    );
  });
}

function takeFiles(classifier: Classifier, classify: (job: Job) => void): void {
  const take = (file: File | undefined): void => {
    if (!file) return;
    classify({
      name: file.name,
      read: async () => fitted(await opened(file, file.name), classifier.info.image),
    });
  };
  const picker = element('file', HTMLInputElement);
  picker.disabled = false;
  picker.addEventListener('change', () => {
    take(picker.files?.[0]);
    picker.value = ''; // or else the browser would not report the same file again
  });
  const zone = element('drop', HTMLElement);
  // The whole page takes drops: by default the browser would open a file dropped beside the zone, in place of the page.
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    zone.classList.add('over');
  });
  document.addEventListener('dragleave', () => zone.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    zone.classList.remove('over');
    take(event.dataTransfer?.files[0]);
  });
}

function takeDrawings({ info }: Classifier, classify: (job: Job) => void): void {
  const canvas = element('draw', HTMLCanvasElement);
  const pen = element('pen', HTMLInputElement);
  const isGrey = info.image.channels === 1;
  canvas.height = Math.round((canvas.width * info.image.height) / info.image.width);
  pen.hidden = isGrey;
  const fit = (picture: Picture): Canvas =>
    info.dataset === 'mnist' && picture instanceof HTMLCanvasElement
      ? fittedDigit(picture, info.image)
      : fitted(picture, info.image);
  const clear = drawOn(canvas, {
    background: isGrey ? '#000' : '#fff',
    colour: () => (isGrey ? '#fff' : pen.value),
    onChange: () => classify({ name: 'Your drawing', read: async () => fit(canvas) }),
  });
  const button = element('clear', HTMLButtonElement);
  button.disabled = false;
  button.addEventListener('click', clear);
}

function offerSamples({ info }: Classifier, classify: (job: Job) => void): void {
  const jobs = info.samples.map(({ file, label }, i): Job => {
    const read = async () => {
      const response = await fetch(file);
      if (!response.ok) throw new UserError(`${file}: the server answered ${response.status}`);
      return fitted(await opened(await response.blob(), file), info.image);
    };
    return { name: `Test image ${i + 1}`, label, read };
  });
  element('samples', HTMLElement).append(
    ...jobs.map((job, i) => {
      const button = Object.assign(document.createElement('button'), {
        type: 'button',
        title: job.label ?? '',
      });
      const image = Object.assign(document.createElement('img'), {
        alt: `Test image ${i + 1}: ${job.label}`,
      });
      image.src = info.samples[i]?.file ?? '';
      button.append(image);
      button.addEventListener('click', () => classify(job));
      return button;
    }),
  );
  element('sample-section', HTMLElement).hidden = jobs.length === 0;
  const [first] = jobs;
  if (first) classify(first);
}

try {
  say('Loading the model …');
  const classifier = await loadClassifier();
  say('');
  const classify = worker(classifier);
  takeFiles(classifier, classify);
  takeDrawings(classifier, classify);
  offerSamples(classifier, classify);
} catch (error) {
  say(messageOf(error), true);
}
