/** The part of the form that says what trains, and on what. */
import { show, UserError } from '../../errors.ts';
import { CHANNEL_ORDERS, TOKEN_KINDS } from '../../tasks/input-forms.ts';
import { element } from '../dom.ts';
import { chosen } from '../train/settings.ts';
import { type Choices, LOSSES, type ModelCard, NORMALIZATIONS, WHAT } from './messages.ts';

/** Learning rates that suit AdamW, by what trains: weights that are good already move little. */
const RATES: Readonly<Record<Choices['what'], number>> = { head: 1e-3, all: 1e-4, pattern: 1e-4, lora: 1e-3 };

interface ChoicesForm {
  /** What trains. */
  what(): Choices['what'];
  /** Throws UserError for a size that is none. */
  read(): Choices;
  /** Offers what goes with a file, and chooses what suits it. */
  suggest(card: ModelCard): void;
  /** Shows only the fields that apply. */
  fit(): void;
}

/** `changed` is called when something else is chosen. */
export function createChoices(changed: () => void): ChoicesForm {
  const input = (id: string): HTMLInputElement => element(id, HTMLInputElement);
  const menu = (id: string): HTMLSelectElement => element(id, HTMLSelectElement);
  const radios = [...document.querySelectorAll<HTMLInputElement>('input[name="what"]')];
  const rate = input('learning-rate');
  let data: ModelCard['data'];
  let isRateTheirs = false;

  const what = (): Choices['what'] => {
    const value = radios.find((radio) => radio.checked)?.value;
    return WHAT.find((each) => each === value) ?? 'head';
  };
  const choose = (wanted: Choices['what']): void => {
    for (const radio of radios) radio.checked = radio.value === wanted;
    if (!isRateTheirs) rate.value = String(RATES[wanted]);
  };
  const isShown = (id: string, isIt: boolean): void => {
    element(id, HTMLElement).hidden = !isIt;
  };
  const fit = (): void => {
    const [now, loss] = [what(), menu('file-loss').value];
    isShown('pattern-field', now === 'pattern' || now === 'lora');
    isShown('rank-field', now === 'lora');
    isShown('output-field', menu('output').options.length > 1);
    isShown('new-head-field', now !== 'head' && loss === 'cross-entropy');
    for (const id of ['normalization', 'order'])
      menu(id).parentElement?.toggleAttribute('hidden', data === 'texts');
    menu('tokens').parentElement?.toggleAttribute('hidden', data !== 'texts');
  };
  const sizes = (): HTMLInputElement[] => [
    ...element('sizes', HTMLElement).querySelectorAll<HTMLInputElement>('input'),
  ];

  rate.addEventListener('input', () => {
    isRateTheirs = true;
  });
  for (const radio of radios) radio.addEventListener('change', () => choose(what()));
  const mine = '#what, #pattern-field, #rank-field, #output-field, #sizes, #new-head-field';
  const form = element('settings', HTMLFormElement);
  form.addEventListener('change', ({ target }) => {
    fit();
    if (!(target instanceof HTMLElement)) return;
    if (target.closest(mine) || target.id === 'file-loss') changed();
  });
  choose('head');

  return {
    what,
    fit,
    read: () => ({
      dims: Object.fromEntries(sizes().map(({ name, valueAsNumber }) => [name, sizeOf(name, valueAsNumber)])),
      output: menu('output').value,
      loss: chosen(menu('file-loss'), LOSSES),
      what: what(),
      pattern: input('pattern').value,
      rank: input('rank').valueAsNumber,
      newHead: input('new-head').checked,
      normalization: chosen(menu('normalization'), NORMALIZATIONS),
      order: chosen(menu('order'), CHANNEL_ORDERS),
      tokens: chosen(menu('tokens'), TOKEN_KINDS),
      heldOut: input('held-out').valueAsNumber / 100,
    }),
    suggest(card) {
      data = card.data;
      const { loss, normalization, tokens } = card.suggested;
      menu('file-loss').value = loss;
      menu('normalization').value = normalization;
      menu('tokens').value = tokens;
      menu('output').replaceChildren(...card.outputs.map((name) => new Option(name, name)));
      element('sizes', HTMLElement).replaceChildren(
        ...Object.entries(card.sizes).map(([name, value]) => sizeField(name, value)),
      );
      input('new-head').checked = true;
      choose(loss === 'next-token' ? 'all' : 'head');
      fit();
    },
  };
}

function sizeField(name: string, value: number): HTMLElement {
  const label = document.createElement('label');
  const field = document.createElement('input');
  Object.assign(field, { type: 'number', name, min: '1', step: '1', required: true, value: String(value) });
  label.append(`Size of ${name}`, field);
  return label;
}

/** Throws UserError for what is no size. */
function sizeOf(name: string, size: number): number {
  if (Number.isSafeInteger(size) && size > 0) return size;
  throw new UserError(`size of ${name}: expected a whole number of 1 or more, got ${show(size)}`);
}
