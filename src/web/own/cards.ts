/** What the page tells of the file and the data. */
import { element } from '../dom.ts';
import type { DataCard, ModelCard, Reply } from './messages.ts';

function made<K extends keyof HTMLElementTagNameMap>(tag: K, textContent: string): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(tag), { textContent });
}

export function showModel({ name, rows }: ModelCard): void {
  const all = [['Name', [name]] as const, ...rows];
  element('model-card', HTMLElement).replaceChildren(
    ...all.flatMap(([title, lines]) => {
      const told = document.createElement('dd');
      told.append(...lines.map((line) => made('p', line)));
      return [made('dt', title), told];
    }),
  );
}

/** More classes than these are only counted. */
const MOST_CLASSES = 40;

export function showData({ text, classes }: DataCard): void {
  element('data-card', HTMLElement).textContent = text;
  const more = classes.length - MOST_CLASSES;
  element('classes', HTMLElement).replaceChildren(
    ...classes.slice(0, MOST_CLASSES).map(([name, count]) => {
      const item = made('li', `${name} `);
      item.append(made('b', count.toLocaleString('en')));
      return item;
    }),
    ...(more > 0 ? [made('li', `and ${more} more`)] : []),
  );
}

export function showPlan({ text, isError }: Omit<Extract<Reply, { kind: 'planned' }>, 'kind'>): void {
  const line = element('plan', HTMLElement);
  line.textContent = text;
  line.classList.toggle('error', isError);
}
