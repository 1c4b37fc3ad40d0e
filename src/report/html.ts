/** A piece of finished HTML. Anything else that is put into a page is escaped. */
export class Html {
  constructor(readonly text: string) {}
}

/** What a template takes. `false` puts in nothing, for `condition && html…`. */
type Content = Html | string | number | false | readonly Content[];

/** A template tag. It escapes what is put in, unless that is an `Html`, from this tag or wrapped by hand. */
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
