import { DARK, LIGHT, PRINT, variables } from './palette.ts';

/** The page's style: system fonts, one accent, light or dark by the system, one column on a phone. */
export const style = `
:root { color-scheme: light dark; ${variables(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 40px 24px 64px; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 48px 0 16px; font-size: 1.25rem; }
h2:has(+ .note) { margin-bottom: 2px; }
.numbers + .note { margin-top: 10px; }
.note { margin: 0 0 16px; color: var(--soft); font-size: .9rem; }
.note .sample { display: inline-block; vertical-align: -1px; margin-right: 4px; }
h3 { margin: 0; font-size: 1rem; }
.facts { margin: 6px 0 0; color: var(--soft); overflow-wrap: anywhere; }
.warning { margin: 24px 0 0; padding: 10px 16px; border-left: 4px solid var(--wrong); background: var(--card); border-radius: 4px; }
.numbers { display: flex; flex-wrap: wrap; gap: 1px; margin: 28px 0 0; padding: 0;
  background: var(--rule); border: 1px solid var(--rule); border-radius: 12px; overflow: hidden; }
.numbers > div { flex: 1 1 150px; padding: 16px 20px; background: var(--card); }
.numbers dt { color: var(--soft); font-size: .85rem; }
.numbers dd { margin: 2px 0 0; font-size: 1.6rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.numbers small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
.charts { display: grid; grid-template-columns: repeat(6, 1fr); gap: 20px; }
.chart { grid-column: span 3; margin: 0; padding: 18px 18px 10px; background: var(--card); border: 1px solid var(--rule);
  border-radius: 12px; min-width: 0; display: flex; flex-direction: column; justify-content: space-between; }
.chart.small { grid-column: span 2; }
.chart > svg { width: 100%; height: auto; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 4px 0 6px; padding: 0; list-style: none; font-size: .85rem; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 6px; }
.sample { width: 24px; height: 12px; color: var(--text); flex: none; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 16px 12px; margin: 0; padding: 0; list-style: none; }
.samples img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; border-radius: 8px;
  background: var(--rule) content-box; border: 3px solid transparent; }
.samples .wrong img { border: 3px dashed var(--wrong); }
.samples p { margin: 4px 0 0; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere; }
.samples small { display: block; color: var(--soft); }
.samples .wrong b { color: var(--wrong); }
.samples span { white-space: nowrap; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--rule); font-size: .9rem; }
th, td { padding: 6px 14px; border-top: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { width: 40%; overflow-wrap: break-word; font-weight: 400; color: var(--soft); }
td { overflow-wrap: anywhere; font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .85rem; }
/* A table wider than the page scrolls under its first column. */
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 12px; background: var(--card); }
.classes { border: 0; border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
.classes th, .classes td { width: auto; padding: 5px 8px; text-align: right; white-space: nowrap; font-family: inherit; }
.classes tr > :first-child { position: sticky; left: 0; z-index: 1; max-width: 40vw; padding-left: 14px; background: var(--card);
  text-align: left; overflow: hidden; text-overflow: ellipsis; color: var(--text); }
.classes thead th { border-top: 0; vertical-align: bottom; }
.classes tbody th, .classes .accuracy { font-size: .9rem; }
.classes .turned span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9em; overflow: hidden; }
.classes .none { color: var(--soft); }
.classes .names { width: 100%; min-width: 16em; text-align: left; white-space: normal; }
@media screen and (max-width: 720px) {
  body { padding: 24px 12px 40px; }
  h1 { font-size: 1.6rem; }
  .charts { gap: 12px; }
  .chart, .chart.small { grid-column: 1 / -1; padding: 14px 8px 6px; }
  .chart figcaption { padding: 0 6px; }
  .samples { grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); }
}
@media print {
  :root { ${variables(PRINT)} }
  body { max-width: none; padding: 0; font-size: 11pt; }
  .chart.small { grid-column: span 3; }
  .chart, .samples li, tr, .numbers { break-inside: avoid; }
  h2 { break-after: avoid; }
}
`;
