/** A picture with its title and legend, before it is part of a page or a file of its own. */
import { Html, html } from './html.ts';

export interface Drawing {
  readonly title: string;
  /** What each kind of mark or line is. Empty where the picture needs no legend. */
  readonly legend: readonly LegendEntry[];
  /** An `<svg>` without title and legend; its colours are variables of the page. */
  readonly picture: Element;
}

export interface LegendEntry {
  readonly name: string;
  readonly sample: Html;
}

/** The drawing as a `<figure>`. `small`: a third of the page's width. By default it is half. */
export function renderDrawing({ title, legend, picture }: Drawing, size: 'small' | '' = ''): Html {
  return html`<figure class="chart ${size}">
<figcaption><h3>${title}</h3><ul class="legend">${legend.map(({ name, sample }) => html`<li>${sample}${name}</li>`)}</ul></figcaption>
${new Html(picture.outerHTML)}
</figure>`;
}
