// The style sheet of report.html.
#include "reports/html.h"

namespace assay::reports {
namespace {

constexpr const char* kColours = R"css(
:root {
  color-scheme: light dark;
  --bg: #f4f5f7; --card: #ffffff; --ink: #18202b; --soft: #566170; --line: #dde2e8;
  --track: #e6eaef; --candidate: #1f63d0; --baseline: #7b8794;
  --s1: #b0500a; --s2: #1c7f5c; --s3: #8a3fb0; --s4: #a02c54; --s5: #5d6b12;
  --pass: #17754a; --pass-bg: #e5f3eb; --fail: #b3261e; --fail-bg: #fae9e7;
  --inconclusive: #845600; --inconclusive-bg: #faf0d9; --incomplete: #4a50b5;
  --incomplete-bg: #eaebf9; --refused: #8d2667; --refused-bg: #f7e6f0;
  --shadow: 0 1px 2px rgb(20 30 45 / .06), 0 2px 10px rgb(20 30 45 / .04);
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0f141a; --card: #171e27; --ink: #e4e9ef; --soft: #98a4b3; --line: #29333f;
    --track: #25303c; --candidate: #6ea8ff; --baseline: #8e9aa8;
    --s1: #f0a35e; --s2: #5fcba0; --s3: #cf9af0; --s4: #f28bab; --s5: #c0cc62;
    --pass: #5fcb98; --pass-bg: #11251b; --fail: #ff8d84; --fail-bg: #2b181a;
    --inconclusive: #e9b64e; --inconclusive-bg: #282112; --incomplete: #a6abff;
    --incomplete-bg: #1a1d35; --refused: #ef95cd; --refused-bg: #2a1724;
    --shadow: none;
  }
}
.tone-pass { --tone: var(--pass); --tone-bg: var(--pass-bg); }
.tone-fail { --tone: var(--fail); --tone-bg: var(--fail-bg); }
.tone-inconclusive { --tone: var(--inconclusive); --tone-bg: var(--inconclusive-bg); }
.tone-incomplete { --tone: var(--incomplete); --tone-bg: var(--incomplete-bg); }
.tone-refused { --tone: var(--refused); --tone-bg: var(--refused-bg); }
.tone-none { --tone: var(--soft); --tone-bg: var(--track); }
)css";

constexpr const char* kBasics = R"css(
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
  sans-serif; font-variant-numeric: tabular-nums; }
.wrap { max-width: 1136px; margin: 0 auto; padding: 0 20px; }
h1, h2, h3, p, dl, dd, ol, ul, figure { margin: 0; padding: 0; }
h1 { font-size: clamp(1.8rem, 1.2rem + 3vw, 2.7rem); line-height: 1.1; letter-spacing: -.02em; }
h2 { font-size: 1.3rem; line-height: 1.25; letter-spacing: -.01em; }
h3 { font-size: 1rem; }
code, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; font-size: .875em; }
section { margin: 44px 0; }
section > h2 + *, section > .lead + * { margin-top: 16px; }
.lead { color: var(--soft); max-width: 72ch; margin-top: 4px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 16px; box-shadow: var(--shadow); min-width: 0; }
.grid { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%,
  330px), 1fr)); }
.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr)); }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.strong { font-weight: 650; }
.chip { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: .8125rem;
  font-weight: 600; color: var(--tone); background: var(--tone-bg); white-space: nowrap; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; box-shadow: var(--shadow); }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .8125rem;
  white-space: nowrap; }
th, td { padding: 9px 14px; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: normal; }
tbody tr:last-child td { border-bottom: 0; }
.right { text-align: right; white-space: nowrap; }
.nowrap { white-space: nowrap; }
.what, .why { overflow-wrap: anywhere; min-width: 170px; }
.why { min-width: 240px; max-width: 420px; color: var(--soft); }
.why b { color: var(--ink); font-weight: 600; }
details { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  box-shadow: var(--shadow); }
details + details { margin-top: 10px; }
details .scroll { box-shadow: none; }
summary { cursor: pointer; padding: 12px 16px; display: flex; flex-wrap: wrap; gap: 4px 12px;
  align-items: baseline; list-style-position: inside; }
summary::before { content: "▸"; color: var(--soft); width: .8em; }
summary::-webkit-details-marker { display: none; }
details[open] > summary::before { content: "▾"; }
summary .end { margin-left: auto; }
.inside { padding: 0 16px 16px; display: grid; gap: 16px; min-width: 0; }
.inside > * { min-width: 0; }
a { color: inherit; }
:focus-visible { outline: 2px solid var(--candidate); outline-offset: 2px; }
svg { display: block; max-width: 100%; }
svg text { fill: var(--soft); font-family: inherit; }
)css";

constexpr const char* kHero = R"css(
.hero { background: var(--tone-bg); border-bottom: 1px solid var(--line); padding: 28px 0 32px; }
.kicker { color: var(--soft); font-size: .875rem; }
.kicker b { color: var(--ink); font-weight: 600; }
.verdict { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; margin-top: 14px; }
.verdict svg { width: 46px; height: 46px; flex: none; color: var(--tone); }
.verdict h1 { color: var(--tone); }
.verdict .chip { background: var(--card); font-size: .875rem; padding: 3px 12px; }
.reason { font-size: 1.15rem; line-height: 1.4; margin-top: 14px; max-width: 68ch; }
.hero-grid { display: grid; gap: 20px; margin-top: 22px;
  grid-template-areas: "todo" "left" "facts"; }
.hero-grid .left { grid-area: left; }
.hero-grid .todo { grid-area: todo; }
.hero-grid .facts { grid-area: facts; }
@media (min-width: 860px) { .hero-grid { gap: 20px 28px; grid-template-columns: 1fr 1fr;
  grid-template-rows: auto 1fr; grid-template-areas: "left todo" "left facts"; }
  .hero-grid.alone { grid-template-areas: "todo facts"; grid-template-rows: auto; } }
.hero-grid > * { min-width: 0; }
.stack { display: grid; gap: 12px; align-content: start; }
.label { color: var(--soft); font-size: .875rem; font-weight: 600; letter-spacing: 0; }
.culprit .top { display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; }
.culprit .amount { color: var(--tone); font-weight: 650; margin-top: 2px; }
.culprit .shift { font-size: 1.05rem; font-weight: 600; }
.culprit svg { margin: 10px 0 4px; width: 100%; max-width: 360px; height: auto; }
.steps { padding-left: 1.3em; display: grid; gap: 8px; }
.facts { display: grid; gap: 14px 24px; align-content: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 138px), 1fr)); }
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { font-weight: 600; }
.facts dd small { display: block; font-weight: 400; color: var(--soft); font-size: .8125rem; }
)css";

constexpr const char* kParts = R"css(
.shots { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 10px; }
.shots img { width: 100%; height: auto; display: block; border-radius: 6px;
  background: var(--track); }
.pixelated { image-rendering: pixelated; }
.shots figcaption { font-size: .8125rem; line-height: 1.3; margin-top: 6px; color: var(--soft); }
.shots figcaption b { display: block; color: var(--ink); font-weight: 600; }
.shots .wrong b { color: var(--fail); }
.meta { display: flex; flex-wrap: wrap; gap: 2px 12px; margin-top: 12px; padding-top: 10px;
  border-top: 1px solid var(--line); font-size: .8125rem; color: var(--soft); }
.features { width: 100%; font-size: .8125rem; }
.features td, .features th { padding: 3px 6px; }
.bar { display: block; height: 8px; border-radius: 2px; background: var(--candidate);
  min-width: 1px; }
.bar.fall { background: var(--fail); }
.bar-cell { width: 40%; min-width: 90px; }
div.bar-cell { width: 100%; padding-top: 6px; }
.interval .track { stroke: var(--track); stroke-width: 4; stroke-linecap: round; }
.interval .zone { fill: var(--fail); opacity: .13; }
.interval .limit { stroke: var(--ink); stroke-width: 1.5; }
td .interval { width: 270px; min-width: 270px; }
.interval .range { stroke: var(--tone); stroke-width: 9; opacity: .45; }
.interval .end { stroke: var(--tone); stroke-width: 1.5; }
.interval .point { fill: var(--tone); stroke: var(--card); stroke-width: 1.5; }
.interval .zero { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 2; }
.interval .at { fill: var(--ink); }
.chart .rule { stroke: var(--line); stroke-width: 1; }
.chart .axis { stroke: var(--soft); stroke-width: 1; }
.chart .chance { stroke-dasharray: 2 4; }
.chart .band { opacity: .16; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .candidate { stroke: var(--candidate); }
.chart .baseline { stroke: var(--baseline); }
.chart .baseline.line { stroke-dasharray: 5 3; }
.chart .band.candidate { fill: var(--candidate); stroke: none; }
.chart .band.baseline { fill: var(--baseline); stroke: none; }
.chart circle.candidate { fill: var(--candidate); stroke: var(--card); }
.chart circle.baseline { fill: var(--card); stroke: var(--baseline); stroke-width: 1.5; }
.chart text.candidate { fill: var(--candidate); stroke: none; font-weight: 600; }
.chart text.baseline { fill: var(--soft); stroke: none; font-weight: 600; }
.s0 { --hue: var(--candidate); } .s1 { --hue: var(--s1); }
.s2 { --hue: var(--s2); } .s3 { --hue: var(--s3); }
.s4 { --hue: var(--s4); } .s5 { --hue: var(--s5); }
.chart .line.hue, .chart line.hue { stroke: var(--hue); }
.chart .before { stroke-dasharray: 5 3; }
.chart .band.hue { fill: var(--hue); }
.chart circle.hue { fill: var(--hue); stroke: var(--card); }
.chart circle.hue.before { fill: var(--card); stroke: var(--hue); stroke-width: 1.5;
  stroke-dasharray: none; }
.chart circle.seed { stroke: none; opacity: .7; }
.chart text.hue { fill: var(--hue); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: .8125rem; color: var(--soft);
  margin-top: 8px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.legend svg { width: 26px; height: 10px; }
.pairs { display: grid; gap: 10px 24px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr)); font-size: .875rem; }
.pairs dt { color: var(--soft); font-size: .8125rem; }
.params { display: flex; flex-wrap: wrap; gap: 6px; }
.params code { background: var(--track); border-radius: 5px; padding: 1px 7px; }
.flag { border-left: 3px solid var(--inconclusive); border-radius: 6px; }
.flag + .flag { margin-top: 10px; }
.flag p + p { margin-top: 4px; }
pre { margin: 0; padding: 14px 16px; overflow-x: auto; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; line-height: 1.6; }
@media (max-width: 520px) { .wrap { padding: 0 14px; } section { margin: 34px 0; }
  .verdict h1 { flex: 1 1 calc(100% - 70px); } .chart { font-size: 13.5px; }
  .card { padding: 14px; } th, td { padding: 8px 11px; } }
@media (max-width: 1160px) { #rules thead, #rules td:empty { display: none; }
  #rules table, #rules tbody, #rules td { display: block; text-align: left; }
  #rules tr { display: grid; grid-template-columns: 1fr 1fr; padding: 10px 0;
    border-bottom: 1px solid var(--line); }
  #rules tbody tr:last-child { border-bottom: 0; }
  #rules td { border-bottom: 0; padding: 2px 14px; min-width: 0; }
  #rules td:first-child { grid-column: 1 / -1; } .why { max-width: none; }
  #rules .interval { min-width: 0; } }
@media (max-width: 700px) { #rules tr { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } .card, .scroll, details, pre { box-shadow: none;
  break-inside: avoid; } }
)css";

}  // namespace

std::string style_sheet() { return std::string(kColours) + kBasics + kHero + kParts; }

}  // namespace assay::reports
