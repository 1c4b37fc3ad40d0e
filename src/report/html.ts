/** A piece of finished HTML. Only `html` makes one, so whatever else is put into a page has been escaped. */
export class Html {
  constructor(readonly text: string) {}
}

/** `false` puts in nothing: `condition && html…`. */
type Content = Html | string | number | false | readonly Content[];

/** Template tag: what is put in is escaped, unless it came from this tag (or is wrapped in `Html` by hand). */
export function html(parts: TemplateStringsArray, ...contents: readonly Content[]): Html {
  return new Html(
    parts.map((part, i) => part + (i < contents.length ? toText(contents[i] ?? '') : '')).join(''),
  );
}

function toText(content: Content): string {
  if (content instanceof Html) return content.text;
  if (content === false) return '';
  if (typeof content === 'object') return content.map(toText).join('');
  return String(content).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
