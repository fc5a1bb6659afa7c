"""How the report looks and the little that it does by script: no font, image or address from anywhere else."""

from __future__ import annotations

import base64
from hashlib import sha256

CSS = """
:root { color-scheme: light dark; --back: #fbfbf9; --card: #ffffff; --ink: #1b1d20; --soft: #575c64; --line: #dcdedb;
  --link: #0b5cad; --good: #17703a; --bad: #b3261e; --s0: #0072b2; --s1: #d98200; --s2: #00875f; --s3: #b85c94;
  --s4: #3c9bd6; --s5: #c14a00; --s6: #85898f; }
@media (prefers-color-scheme: dark) { :root { --back: #15171a; --card: #1d2024; --ink: #e8e9eb; --soft: #a9aeb6;
  --line: #363b42; --link: #7cb7f2; --good: #6fd093; --bad: #ff8f85; --s0: #4aa8e0; --s1: #f0a93a; --s2: #35c69a;
  --s3: #dd8fbd; --s4: #8ccdf2; --s5: #ff8a4c; --s6: #9aa0a8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 28px; } h1 { font-size: 1.6rem; margin: 0; line-height: 1.2; }
h2 { font-size: 1.2rem; margin: 36px 0 12px; } h3 { font-size: 1rem; margin: 0 0 6px; }
p { margin: 6px 0; max-width: 75ch; } .soft, caption, figcaption { color: var(--soft); font-size: .875rem; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 12px; } a { color: var(--link); }
a:focus-visible, summary:focus-visible, input:focus-visible, button:focus-visible, .wide:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 16px; top: 8px; background: var(--card); padding: 4px 8px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; margin: 18px 0 0;
  padding: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; }
.figures dt { color: var(--soft); font-size: .8125rem; } .figures dd { margin: 0; font-size: 1.35rem; font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; min-width: 0; }
.chart { width: 100%; height: auto; display: block; } .chart text { fill: var(--soft); font-size: 13px; }
.chart line { stroke: var(--line); } .chart polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; list-style: none; margin: 6px 0 0; padding: 0; font-size: .8125rem; }
.legend li { overflow-wrap: anywhere; } .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px;
  margin-right: 5px; }
@SERIES@
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } caption { text-align: left; padding: 8px 12px 0; }
th, td { padding: 7px 12px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > * { border-bottom: 0; } thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th[scope=row] { font-weight: 600; overflow-wrap: anywhere; min-width: 9rem; }
.wide + .wide, .wide + h3 { margin-top: 16px; }
.share { width: 90px; height: 8px; background: var(--line); border-radius: 4px; display: inline-block; vertical-align: middle; }
.share rect { fill: var(--s0); } .good { color: var(--good); } .bad { color: var(--bad); }
details.one { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 8px 0; }
details.one > summary { cursor: pointer; padding: 9px 12px; display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; }
details.one > summary b { overflow-wrap: anywhere; } details.one > div { padding: 0 12px 12px; }
details.one h3 { margin-top: 14px; } details.one summary::before { content: "\\25B8"; color: var(--soft); }
details.one[open] > summary::before { content: "\\25BE"; }
.tools { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0; align-items: end; }
.tools label { font-size: .875rem; color: var(--soft); } .tools input, .tools button { font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--soft); border-radius: 6px; padding: 6px 10px; max-width: 100%; }
.tools input { display: block; width: 22rem; } footer { padding: 28px 16px; }
@media (max-width: 640px) { .chart text { font-size: 17px; } .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .cards tr { display: block; padding: 8px 12px; border-bottom: 1px solid var(--line); }
  .cards th[scope=row], .cards td, .cards td.n { display: flex; justify-content: space-between; align-items: center; gap: 14px; border: 0;
    padding: 2px 0; text-align: right; white-space: normal; }
  .cards th[scope=row] { text-align: left; padding-bottom: 4px; } .cards td::before { content: attr(data-name);
    color: var(--soft); text-align: left; flex: none; } .cards tr:last-child { border: 0; } }
@media print { .tools, nav { display: none; } }
""".replace(
    "@SERIES@",
    "\n".join(
        f"rect.s{at}, circle.s{at} {{ fill: var(--s{at}); }} polyline.s{at} {{ stroke: var(--s{at}); }} "
        f"i.s{at} {{ background: var(--s{at}); }}"
        for at in range(7)
    ),
)

# Without it every decision can be opened all the same; it filters them, and opens the one that the address names.
SCRIPT = """
"use strict";
const all = [...document.querySelectorAll("details.one")];
const field = document.getElementById("filter"), told = document.getElementById("shown");
document.querySelector(".tools").hidden = false;
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const one of all) {
    const text = one.dataset.words;
    one.hidden = !words.every(word => text.includes(word));
    shown += one.hidden ? 0 : 1;
  }
  told.textContent = shown + " of " + all.length + " shown";
});
document.getElementById("open").addEventListener("click", event => {
  const open = event.target.getAttribute("aria-pressed") !== "true";
  for (const one of all) if (!one.hidden) one.open = open;
  event.target.setAttribute("aria-pressed", open);
  event.target.textContent = open ? "Close all" : "Open all";
});
const go = () => {
  const one = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (one && one.tagName === "DETAILS") { one.open = true; one.scrollIntoView(); }
};
addEventListener("hashchange", go);
go();
"""


def policy() -> str:
    """The content security policy: nothing is fetched, and no script runs but this one."""
    script = base64.b64encode(sha256(SCRIPT.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
