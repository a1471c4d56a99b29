// cli: how a policy report looks: light, dark, narrow, on paper. Names no colour that says
// something without a word beside it.
#include "cli/report_page.h"

namespace pmos::cli {
namespace {

constexpr char kPageStyle[] = R"css(
:root{--paper:#fff;--ink:#16181d;--dim:#5c6370;--line:#dfe2e8;--soft:#f5f6f9;--link:#174f8a;
--open:#c0262d;--open-soft:#fdeced;--consented:#8a5a08;--consented-soft:#fdf3e0;
--arbitrated:#2463a8;--arbitrated-soft:#e9f1fb;--good:#1c7340;
--mono:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;color-scheme:light dark}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#14161a;--ink:#e8eaee;--dim:#9aa2b1;--line:#31363f;--soft:#1c1f25;--link:#8fbdf5;
--open:#ff7b78;--open-soft:#3a1c1e;--consented:#e3ab4d;--consented-soft:#352a15;
--arbitrated:#79b2f2;--arbitrated-soft:#17273b;--good:#67c98c}}
*{box-sizing:border-box;unicode-bidi:bidi-override;direction:ltr}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;max-width:1168px;padding:0 24px 48px;background:var(--paper);color:var(--ink);
font:400 15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}
a:hover,a:focus-visible{text-decoration:underline}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
code,pre,.at{font-family:var(--mono);font-size:.875em}
small,.how,.kind{color:var(--dim);font-size:.8125rem}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}

header{padding:40px 0 0}
.kicker{margin:0;color:var(--dim);font-size:.8125rem}
h1{margin:6px 0 4px;font-size:2.125rem;line-height:1.15;font-weight:650;letter-spacing:-.02em}
h1.good{color:var(--good)}
h1.bad{color:var(--open)}
h1.unknown{color:var(--consented)}
.lede{margin:0;color:var(--dim);font-size:1.0625rem}
.lede.bad{color:var(--open)}
.facts{display:flex;flex-wrap:wrap;gap:4px 32px;margin:24px 0 0}
.facts div{display:flex;flex-direction:column-reverse}
.facts dd{margin:0;font-size:1.625rem;line-height:1.2;font-weight:600;
font-variant-numeric:tabular-nums}
.facts dt{color:var(--dim);font-size:.8125rem}
.facts .open dd,.facts .error dd{color:var(--open)}
.facts .consented dd,.facts .warning dd{color:var(--consented)}
.facts .arbitrated dd,.facts .note dd{color:var(--arbitrated)}
.facts .zero dd{color:var(--dim);font-weight:400}
nav{display:flex;flex-wrap:wrap;gap:4px 20px;margin:28px 0 0;padding:10px 0;
border-top:1px solid var(--line);border-bottom:1px solid var(--line)}

section{margin:44px 0 0}
h2{margin:0 0 12px;font-size:1.375rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}
h3{margin:0;font-size:1rem;line-height:1.4;font-weight:600}
p{margin:4px 0}
ul,ol{margin:8px 0;padding:0;list-style:none}
section>h3{margin-top:24px}
figure{margin:0 0 20px}
figcaption{margin-top:8px;color:var(--dim);font-size:.8125rem}
.scroll{position:relative;overflow-x:auto;overscroll-behavior-x:contain}
svg.map{display:block}
svg.narrow{display:none}
.key{white-space:nowrap;margin-left:10px}
.key::before{content:"";display:inline-block;width:14px;height:0;margin-right:5px;
vertical-align:middle;border-top:4px solid currentColor}
.key.open{color:var(--open)}
.key.consented{color:var(--consented)}
.key.consented::before{border-top-width:3px}
.key.arbitrated{color:var(--arbitrated)}
.key.arbitrated::before{border-top-width:2px}
.key.later::before{border-top:2px dashed}

.tag{display:inline-block;padding:0 7px;border-radius:4px;font-size:.75rem;line-height:1.5;
font-weight:600;color:var(--arbitrated);background:var(--arbitrated-soft)}
.open .tag,.error .tag,.tag.error{color:var(--open);background:var(--open-soft)}
.consented .tag,.warning .tag,.tag.warning{color:var(--consented);
background:var(--consented-soft)}
.channels>li,.findings>li{padding:12px 0 12px 14px;border-left:3px solid var(--arbitrated);
margin:0 0 10px}
.channels>li.open,.findings>li.error{border-color:var(--open)}
.channels>li.consented,.findings>li.warning{border-color:var(--consented)}
.way{font-weight:600}
.ends{margin:4px 0 0;columns:440px 2}
.ways{columns:300px 3}
.ends li{break-inside:avoid;padding:1px 0}
summary{cursor:pointer;color:var(--link)}
.plain li{padding:2px 0}

table{border-collapse:collapse;width:100%;font-size:.875rem}
td{overflow-wrap:break-word}
th,td{padding:6px 12px 6px 0;text-align:left;vertical-align:top;font-weight:400}
thead th{font-size:1rem;font-weight:650;border-bottom:2px solid var(--ink);padding-bottom:6px}
thead a{color:inherit}
tbody tr{border-bottom:1px solid var(--line)}
tbody tr.group{border-bottom:0}
.side .group th{padding-top:18px;font-weight:650;position:static}
.group span{position:sticky;left:0}
.side th:first-child{position:sticky;left:0;background:var(--paper);min-width:104px;width:22%}
.side tbody th[scope=row]{color:var(--dim);overflow-wrap:break-word}
.side th code{overflow-wrap:anywhere}
.side td:last-child{padding-right:0}
.side td,.side thead th{width:11%;min-width:92px;padding-left:8px}
.side th:first-child{padding-left:0}
td .at{font-family:inherit;font-size:inherit;color:inherit}
td.none,td.nil,td.none .at,td.nil .at{color:var(--dim)}
td.none:not(:has(.at))::before{content:"–"}
td.open{background:var(--open-soft);color:var(--open);font-weight:600}
td.consented{background:var(--consented-soft);color:var(--consented);font-weight:600}
td.arbitrated{background:var(--arbitrated-soft);color:var(--arbitrated);font-weight:600}
td small{display:block;white-space:nowrap;color:inherit;font-weight:400}
.points{display:inline-block;margin-right:6px;vertical-align:middle}
.points rect{fill:var(--dim)}
.points .most{fill:var(--line)}
.total td,.total th{padding-top:8px}
.dense{width:auto}
.side.dense td,.side.dense thead th{min-width:0;width:19px;padding:7px 0 5px;text-align:center;
font-size:.75rem}
.dense td{border-left:1px solid var(--line)}
.dense thead th{vertical-align:bottom;font-size:.8125rem}
.dense thead th a{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap}
.dense th:first-child{width:auto;max-width:220px;padding-right:12px}
.dense .group td{border-left:0}
.dense td.none::before{content:""}
.dense .total td{font-size:.6875rem;letter-spacing:-.03em}

.findings p{max-width:76ch}
.loss .tag{color:var(--good);background:var(--soft)}
.findings>li.loss{border-color:var(--good)}
.where{color:var(--dim)}
.excerpt{margin:6px 0;padding:6px 10px;background:var(--soft);border-radius:4px;
white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:none;color:inherit;font-weight:600;text-decoration:underline wavy var(--open) 1px;
text-underline-offset:3px}
.warning mark{text-decoration-color:var(--consented)}
.note mark{text-decoration-color:var(--arbitrated)}
.fix::before{content:"Hint: ";font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));
gap:28px 40px}
article{min-width:0;border-top:2px solid var(--ink);padding-top:10px}
article h3{font-size:1.125rem}
.state{color:var(--dim)}
.accesses li{padding:5px 0;border-bottom:1px solid var(--line);font-size:.875rem}
.accesses li{display:grid;grid-template-columns:7.5em 1fr}
.accesses div{min-width:0}

.source h3{padding-bottom:6px}
.source{margin-top:24px}
.source ol{list-style:decimal;padding:8px 8px 8px 3.6em;margin:0;background:var(--soft);
border-radius:4px;font:400 .8125rem/1.55 var(--mono)}
.source li{white-space:pre-wrap;padding-left:6px;overflow-wrap:anywhere}
.source li::marker{color:var(--dim)}
.source li.error{background:var(--open-soft)}
.source li.warning{background:var(--consented-soft)}
.source li.note{background:var(--arbitrated-soft)}
:target{scroll-margin-top:30vh}
.source li:target,article:target h3{outline:2px solid var(--link);outline-offset:1px}
footer{margin-top:48px;padding-top:12px;border-top:1px solid var(--line);color:var(--dim);
font-size:.8125rem}

@media screen and (max-width:820px){
body{padding:0 16px 32px}
header{padding-top:24px}
h1{font-size:1.625rem}
.facts{gap:4px 22px}
.facts dd{font-size:1.375rem}
section{margin-top:36px}
svg.wide{display:none}
svg.narrow{display:block}
.key{display:block;margin-left:0}
p .key{display:inline;margin-left:6px}
.source ol{padding-left:3em;font-size:.75rem}
table{font-size:.8125rem}
th,td{padding-right:8px}
.side th:first-child{min-width:76px;width:24%}
.side .points{width:30px}
.side td,.side thead th{min-width:84px;padding-right:4px}
.side td.open,.side td.consented,.side td.arbitrated{font-weight:500}
.side thead th{font-size:.875rem}
}
@media print{
body{max-width:none;padding:0;font-size:10pt}
nav{display:none}
a{color:inherit}
.scroll{overflow:visible}
svg.map{max-width:100%;height:auto}
.side{font-size:8pt}
.side th:first-child{position:static;min-width:0;width:auto}
.side td,.side thead th{min-width:0;padding-right:2px;padding-left:4px;overflow-wrap:anywhere}
.side thead th{font-size:8pt}
.side small{font-size:7pt;white-space:normal}
.side.dense td,.side.dense thead th{width:auto;padding:2px 0;font-size:6pt}
tr,.channels>li,.findings>li,.accesses li,figure{break-inside:avoid}
h2,h3,thead{break-after:avoid}
thead{display:table-header-group}
#sources{break-before:page}
details::details-content{content-visibility:visible;block-size:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
)css";

}  // namespace

Literal page_style() { return Literal(kPageStyle); }

}  // namespace pmos::cli
