/** The style that a study's page adds to that of every report. */
export const studyStyle = `
a { color: var(--blue); }
.contents { margin: 24px 0 0; padding: 14px 20px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.contents ol, .contents ul { margin: 0; padding: 0; list-style: none; }
.contents ol { columns: 2 320px; column-gap: 32px; }
.contents ol > li { padding: 3px 0; }
.contents ul { padding-left: 18px; font-size: .85rem; }
.contents ol > li > a { break-after: avoid; }
.contents a { display: block; padding: 2px 0; text-decoration: none; overflow-wrap: anywhere; }
.contents a:hover { text-decoration: underline; }
.reproduce { margin: 20px 0 0; padding: 12px 20px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.reproduce p { margin: 4px 0; font-size: .9rem; }
.reproduce pre { margin: 0 0 8px; font: .85rem/1.5 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.warning { overflow-wrap: anywhere; }
.about { margin: 16px 0 0; max-width: 72ch; overflow-wrap: anywhere; }
.note { max-width: 90ch; }
.meanings { margin: 8px 0 0; padding-left: 20px; }
.claims { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; margin: 0; padding: 0; list-style: none; }
.claims > li { padding: 16px 18px; background: var(--card); border: 1px solid var(--rule); border-radius: 12px; break-inside: avoid; min-width: 0; }
.claims h3 { margin: 8px 0 6px; line-height: 1.35; }
.claims p { margin: 6px 0; font-size: .9rem; }
.claims + .note { margin-top: 16px; }
.claims .label { color: var(--soft); }
.claims ul { margin: 6px 0 0; padding: 0; list-style: none; font-size: .9rem; }
.claims li li { display: grid; grid-template-columns: 1.2em 1fr; gap: 2px 6px; padding: 6px 0; border-top: 1px solid var(--rule); }
.claims li li small { grid-column: 2; color: var(--soft); overflow-wrap: anywhere; }
.claims li li b { font-weight: 600; font-variant-numeric: tabular-nums; }
.verdict { display: inline-block; padding: 1px 10px; border-radius: 99px; border: 1.5px solid currentColor; font-size: .85rem; font-weight: 600; }
.agrees { color: var(--green); }
.disagrees { color: var(--wrong); }
.cannot-tell { color: var(--soft); }
h3.setting { margin: 28px 0 12px; }
h3.setting small { font-weight: 400; margin-left: 6px; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 8px; background: var(--card); }
#comparisons .note { margin-top: 20px; }
.forests { align-items: start; margin-bottom: 20px; }
.axes > div { grid-column: span 3; min-width: 0; }
.axes h3.setting { margin-top: 8px; }
.scroll + .scroll, .scroll + .charts, .charts + .scroll { margin-top: 20px; }
table.results { border: 0; font-variant-numeric: tabular-nums; }
table.results caption { padding: 10px 14px; text-align: left; color: var(--soft); font-size: .85rem; }
table.results th, table.results td { width: auto; padding: 6px 14px; font-family: inherit; font-size: .85rem; white-space: nowrap; overflow-wrap: normal; }
table.results th { font-weight: 600; color: var(--text); }
table.results .prose { white-space: normal; min-width: 24ch; overflow-wrap: anywhere; }
table.results .number, table.results .spread, table.results .interval, table.results .ratio { text-align: right; }
table.results .heading th { padding-top: 12px; text-align: left; white-space: normal; background: var(--page); }
details { margin: 16px 0; }
summary { cursor: pointer; padding: 4px 0; }
@media screen and (max-width: 720px) {
  .axes > div { grid-column: 1 / -1; }
  table.results th, table.results td { padding: 6px 10px; }
  table.results caption { padding: 10px; position: sticky; left: 0; max-width: calc(100vw - 26px); }
  /* The first column stays in place. Its edge is a shadow, since a border of a collapsed table would not move with it. */
  table.results :is(thead, tbody) tr:not(.heading) > :first-child { position: sticky; left: 0; z-index: 1; min-width: 112px; max-width: 44vw;
    white-space: normal; overflow-wrap: break-word; background: var(--card); box-shadow: 1px 0 var(--rule); }
  table.results .heading span { position: sticky; left: 10px; display: inline-block; max-width: calc(100vw - 46px); }
}
@media print {
  .scroll { overflow: visible; }
  table.results tr.heading { break-after: avoid; }
  table.results th, table.results td { padding: 3px 6px; font-size: 8pt; white-space: normal; overflow-wrap: anywhere; }
  .claims { display: block; }
  .chart.small { grid-column: span 2; padding: 8px; }
  .claims > li { margin-bottom: 10pt; }
  h3.setting { break-after: avoid; }
}
`;
