/**
 * How the page looks: one column of text, sans-serif numbers that line up, hairlines and no decoration. System fonts,
 * light and dark as the reader's screen has it, always light on paper.
 */
import { CHART_RULES, DARK, LIGHT, tokens } from '../charts/palette.ts';

/** The style sheet of the page. */
export function styleSheet(): string {
  return `:root{color-scheme:light dark;${tokens(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${tokens(DARK)}}}
${LAYOUT}${CHART_RULES}@media print{:root{color-scheme:light;${tokens(LIGHT)}}${PRINT}}
`;
}

const LAYOUT = `*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 Charter,"Bitstream Charter","Sitka Text",Cambria,Georgia,serif;overflow-wrap:break-word}
.page{max-width:76rem;margin:0 auto;padding:0 1.25rem 4rem}
nav,figure,table,.facts,.notice,.badge,pre,summary,.sans,.clips{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header{padding:2.5rem 0 1.5rem;border-bottom:1px solid var(--rule)}
h1{font-size:clamp(1.7rem,1.3rem + 1.9vw,2.5rem);line-height:1.15;margin:0 0 .6rem;font-weight:600;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.5rem;line-height:1.25;margin:0 0 .9rem;font-weight:600}
h3{font-size:1.13rem;line-height:1.35;margin:2rem 0 .6rem;font-weight:600}
h4{font-size:1rem;margin:1.5rem 0 .4rem;font-weight:600}
p,ul,ol{margin:0 0 1rem;max-width:42rem}
li{margin:.2rem 0}
a{color:var(--link);text-underline-offset:.15em}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.under{color:var(--soft);margin:0 0 1rem}
.badge{display:inline-block;margin:0;padding:.3rem .7rem;border-radius:.3rem;font-size:.88rem;font-weight:600;background:var(--warn-paper);color:var(--warn-ink)}
.columns{display:block}
nav{font-size:.9rem;padding:1rem 0 0}
nav ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;max-width:none}
nav a{display:inline-block;padding:.22rem 0;color:var(--soft);text-decoration:none}
nav a:hover{color:var(--link);text-decoration:underline}
main>section{padding-top:2.4rem}
main section section{padding-top:.4rem}
.run>section>h3:first-child{font-size:1.3rem;margin-top:2.6rem}
.run>h2{border-top:3px solid var(--ink);padding-top:.9rem}
.lead p{font-size:1.15rem;line-height:1.6;max-width:44rem}
.soft{color:var(--soft)}
.small,.note{font-size:.9rem;color:var(--soft)}
.notice{max-width:44rem;padding:.7rem .95rem;border-radius:.35rem;font-size:.93rem;line-height:1.5;background:var(--surface)}
.notice.warn{background:var(--warn-paper);color:var(--warn-ink)}
.notice.good{background:var(--good-paper);color:var(--good-ink)}
.lead .notice p,.lead p.notice{font-size:.95rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.75rem 1.6rem;margin:0 0 1.4rem;font-size:.92rem;line-height:1.45}
.facts div{border-top:1px solid var(--rule);padding-top:.4rem;min-width:0}
dt{color:var(--soft);font-size:.82rem}
dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;max-width:100%;margin:0 0 1.2rem}
table{border-collapse:collapse;font-size:.88rem;line-height:1.4;font-variant-numeric:tabular-nums}
th,td{padding:.42rem .9rem .42rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:.2rem}
thead .number{white-space:normal;max-width:8.5rem}
tbody th{min-width:7.5rem}
sup{line-height:0}
thead th{color:var(--soft);font-weight:600;font-size:.82rem;vertical-align:bottom;border-bottom-color:var(--soft)}
tbody th{font-weight:500}
.number{text-align:right;white-space:nowrap}
td .soft,th .soft{font-size:.92em;font-weight:400}
.range{display:block}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20.5rem),1fr));gap:1.8rem 2.2rem;margin:0 0 1.6rem;align-items:start}
figure{margin:0;min-width:0;max-width:27rem}
figcaption{font-size:.88rem;line-height:1.45;color:var(--soft);margin:0 0 .5rem}
figcaption strong{color:var(--ink);font-weight:600;display:block}
svg,img{max-width:100%;height:auto}
figure>svg{display:block;width:100%}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;margin:.4rem 0 .2rem;padding:0;font-size:.82rem;line-height:1.4}
.legend li{display:flex;align-items:center;gap:.45rem;margin:0;min-width:0}
.legend svg{flex:none;width:30px;height:12px}
.legend svg.dot{width:12px}
summary{cursor:pointer;font-size:.85rem;color:var(--link);padding:.3rem 0;width:fit-content}
details[open]>summary{margin-bottom:.4rem}
.clips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:1.6rem 1.4rem;margin:0 0 1.4rem}
.clips figure img{display:block;width:100%;background:#000;border-radius:.25rem}
.clips figcaption{margin:.45rem 0 0;overflow-wrap:anywhere}
.cams{grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr))}
.quote{border-left:3px solid var(--rule);padding-left:1.1rem;max-width:44rem}
pre{font:.8rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--surface);padding:.9rem 1rem;border-radius:.35rem;overflow-x:auto;margin:0 0 1.2rem;max-width:100%}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
footer{margin-top:3rem;padding-top:1.2rem;border-top:1px solid var(--rule);font-size:.9rem;color:var(--soft)}
@media (min-width:68rem){
.columns{display:grid;grid-template-columns:11.5rem minmax(0,1fr);gap:3rem}
nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;padding:2.7rem 0 2rem}
nav ul{display:block}
nav li li{padding-left:.8rem}
nav a{line-height:1.35}
}
`;

const PRINT = `
@page{margin:18mm 16mm}
body{font-size:10pt;line-height:1.45}
.page{max-width:none;padding:0}
header{padding-top:0}
nav{display:none}
.columns{display:block}
main>section{padding-top:1.2rem}
a{color:inherit;text-decoration:none}
h2,h3,h4,figcaption{break-after:avoid}
figure,.facts div,tr,.notice{break-inside:avoid}
.scroll{overflow:visible}
table{font-size:7.5pt}
th,td{padding:.2rem .45rem .2rem 0}
.figures{grid-template-columns:1fr 1fr;gap:1rem 1.4rem}
.clips{grid-template-columns:repeat(3,1fr)}
.clips.cams{grid-template-columns:1fr 1fr}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:7pt}
.badge,.notice,pre,.h0,.h1,.h2,.h3,.h4,.h5,.h6,.h7{print-color-adjust:exact;-webkit-print-color-adjust:exact}
summary{display:none}
details::details-content{content-visibility:visible;display:block;block-size:auto}
figure>details{display:none}
`;
