import test from 'ava';
import { Html, html } from '../../src/report/html.ts';

test('what is put into a page is escaped', (t) => {
  const name = `<img src=x onerror="alert('&')">`;
  t.is(
    html`<p title="${name}">${3}</p>`.text,
    '<p title="&#60;img src=x onerror=&#34;alert(&#39;&#38;&#39;)&#34;&#62;">3</p>',
  );
});

test('finished pieces are put in as they are, one or many', (t) => {
  const items = ['a', '<b>'].map((text) => html`<li>${text}</li>`);
  t.is(
    html`<ul>${items}${new Html('<!-- -->')}</ul>`.text,
    '<ul><li>a</li><li>&#60;b&#62;</li><!-- --></ul>',
  );
});
