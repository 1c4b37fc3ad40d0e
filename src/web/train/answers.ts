/** A digit that a person draws, and the answer of the model as it is now. */

import { element } from '../dom.ts';
import { drawOn } from '../drawing.ts';
import { context, fittedDigit, pixelsOf } from '../picture.ts';
import { bestAnswers } from '../pixels.ts';

const SIDE = 28;

export interface Answers {
  /** Asks for a new answer, after the model has changed. */
  ask(): void;
  /** Shows an answer. Without one, it shows that there is no model. */
  show(answer?: { readonly logits: Float32Array; readonly milliseconds: number }): void;
}

/** `classify` gets a drawing, uint8 [28, 28]. Give its answer to `show` when it comes. */
export function createAnswers(classes: readonly string[], classify: (pixels: Uint8Array) => void): Answers {
  const canvas = element('draw', HTMLCanvasElement);
  const seen = element('seen', HTMLCanvasElement);
  const [name, time] = [element('name', HTMLElement), element('time', HTMLElement)];
  const hint = { name: name.textContent, time: time.textContent };
  let pixels: Uint8Array | undefined;
  let isWaiting = false;
  let isStale = false;

  const bars = classes.map((label) => {
    const item = document.createElement('li');
    const digit = Object.assign(document.createElement('b'), { textContent: label });
    item.append(document.createElement('i'), digit);
    return item;
  });
  element('answers', HTMLElement).replaceChildren(...bars);

  const ask = (): void => {
    if (!pixels) return;
    isStale = isWaiting;
    if (isWaiting) return;
    isWaiting = true;
    classify(pixels);
  };
  const show: Answers['show'] = (answer) => {
    isWaiting = false;
    const isShown = answer !== undefined && pixels !== undefined;
    const best = isShown ? bestAnswers(answer.logits, classes, classes.length) : [];
    for (const [i, bar] of bars.entries()) {
      const share = best.find(({ label }) => label === classes[i])?.probability ?? 0;
      bar.style.setProperty('--share', String(share));
      bar.title = isShown ? `${classes[i]}: ${(100 * share).toFixed(1)} %` : '';
      bar.classList.toggle('best', isShown && best[0]?.label === classes[i]);
    }
    const [first] = best;
    name.textContent = first ? `${first.label}, at ${(100 * first.probability).toFixed(0)} %` : hint.name;
    time.textContent = isShown
      ? `by the model of this moment, in ${answer.milliseconds.toFixed(0)} ms`
      : hint.time;
    if (isStale) ask();
  };
  const clear = drawOn(canvas, {
    background: '#000',
    colour: () => '#fff',
    onChange() {
      const picture = fittedDigit(canvas, { width: SIDE, height: SIDE });
      context(seen).drawImage(picture, 0, 0);
      pixels = pixelsOf(picture, 1);
      ask();
    },
  });
  element('clear', HTMLButtonElement).addEventListener('click', () => {
    clear();
    pixels = undefined;
    context(seen).clearRect(0, 0, SIDE, SIDE);
    show();
  });
  return { ask, show };
}
