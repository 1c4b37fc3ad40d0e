/** The frame of a report's page. The page needs nothing else: no script, no font, no network. */
import { Html, html } from './html.ts';
import { style } from './style.ts';

/** The page's text, to be saved as an .html file. `more` is added to the style of every report. */
export function renderDocument(title: string, body: Html, more = ''): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${new Html(style + more)}</style>
</head>
<body>
${body}
</body>
</html>
`.text;
}
