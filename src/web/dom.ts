/** The page's elements, and its status line. */

export function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`index.html has no ${type.name} with id ${id}`);
}

/** Shows a text in the status line. An empty text hides it. */
export function say(text: string, isError = false): void {
  const status = element('status', HTMLElement);
  status.textContent = text;
  status.hidden = text === '';
  status.classList.toggle('error', isError);
}
