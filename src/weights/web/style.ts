/** How the page in the browser looks: as reports do, one column, system fonts, hairlines, light and dark as the screen is. */
import { DARK, LIGHT, tokens } from '../../charts/palette.ts';

/** The style sheet of the page. */
export function pageStyle(): string {
  return `:root{color-scheme:light dark;${tokens(LIGHT)}}
@media (prefers-color-scheme:dark){:root{${tokens(DARK)}}}
${LAYOUT}${CHOOSING}${CLIPS}${NARROW}`;
}

const SANS = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif';

const LAYOUT = `*{box-sizing:border-box}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scrollbar-gutter:stable}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 Charter,"Bitstream Charter","Sitka Text",Cambria,Georgia,serif;overflow-wrap:break-word}
.page{max-width:68rem;margin:0 auto;padding:0 1.25rem 3rem}
header{padding:2.5rem 0 1.5rem;border-bottom:1px solid var(--rule)}
h1{font-size:clamp(1.7rem,1.3rem + 1.9vw,2.5rem);line-height:1.15;margin:0 0 .6rem;font-weight:600;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.5rem;line-height:1.25;margin:0;font-weight:600}
p{margin:0 0 1rem;max-width:42rem}
a{color:var(--link);text-underline-offset:.15em}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.under{color:var(--soft)}
.badge{display:inline-block;margin:0;padding:.3rem .7rem;border-radius:.3rem;font-size:.88rem;font-weight:600;background:var(--warn-paper);color:var(--warn-ink)}
.badge,.notice,.choose,.clip,.clip *,button,select,.option,.facts,.empty{font-family:${SANS}}
main>section{padding-top:2.2rem}
.notice{max-width:44rem;padding:.7rem .95rem;border-radius:.35rem;font-size:.93rem;line-height:1.5;background:var(--surface)}
.warn{background:var(--warn-paper);color:var(--warn-ink)}
.note{margin:0;font-size:.85rem;line-height:1.45;color:var(--soft)}
.hidden{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap;border:0}
.head{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:baseline;justify-content:space-between;margin:0 0 .9rem}
button,.press,select{font-size:.88rem;line-height:1.3;color:var(--ink);background:var(--paper);border:1px solid var(--soft);border-radius:.35rem;padding:.45rem .8rem;min-height:2.25rem;cursor:pointer}
button:hover:not(:disabled),.press:hover{background:var(--surface)}
button:disabled{color:var(--soft);border-color:var(--rule);cursor:default}
progress{appearance:none;display:block;width:100%;height:.3rem;margin:.6rem 0;border:0;border-radius:.15rem;background:var(--rule);overflow:hidden}
progress::-webkit-progress-bar{background:var(--rule)}
progress::-webkit-progress-value{background:var(--s0)}
progress::-moz-progress-bar{background:var(--s0)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:.75rem 1.6rem;margin:.9rem 0 0;font-size:.92rem;line-height:1.45}
.facts div{border-top:1px solid var(--rule);padding-top:.4rem;min-width:0}
dt{color:var(--soft);font-size:.82rem}
dd{margin:0;overflow-wrap:anywhere}
footer{margin-top:3rem;padding-top:1.2rem;border-top:1px solid var(--rule);font-size:.9rem;color:var(--soft)}
`;

const CHOOSING = `.choose{display:flex;flex-direction:column;align-items:center;justify-content:center;gap:.7rem;min-height:11rem;padding:1.5rem 1rem;margin:.9rem 0 1rem;border:2px dashed var(--soft);border-radius:.6rem;text-align:center}
.choose p{margin:0}
.choose .press{display:inline-flex;align-items:center;color:var(--paper);background:var(--link);border-color:var(--link);font-weight:600;padding:.6rem 1.2rem}
.choose .press:hover{filter:brightness(.92)}
#files:focus-visible+.press{outline:2px solid var(--link);outline-offset:3px}
.dragging .choose{border-color:var(--link);border-style:solid;background:var(--surface)}
.option{display:flex;flex-wrap:wrap;gap:.3rem .7rem;align-items:center;font-size:.9rem;margin:0 0 1rem}
#loading{min-height:2.6rem;font-size:.88rem;line-height:1.4;color:var(--soft)}
#loading progress{margin:.4rem auto 0;width:14rem}
#loading.warn{padding:.7rem .95rem;border-radius:.35rem;text-align:left;color:var(--warn-ink)}
.empty{color:var(--soft);font-size:.93rem}
#results:not(:empty)+.empty{display:none}
`;

const CLIPS = `.clip{display:grid;grid-template-columns:minmax(0,24rem) minmax(0,1fr);gap:1.2rem 2rem;padding:1.4rem 0 1.6rem;border-top:1px solid var(--rule)}
.unread .look{display:none}
.unread .words{grid-column:1/-1}
.title{display:flex;gap:.8rem;align-items:flex-start;justify-content:space-between}
.title button{flex:none}
h3{font-size:1.02rem;line-height:1.4;margin:.25rem 0 0;font-weight:600;overflow-wrap:anywhere;min-width:0}
.stage{position:relative;aspect-ratio:4/3;background:#000;border-radius:.3rem;overflow:hidden;display:grid;place-items:center}
.picture{position:relative;width:100%;height:100%;overflow:hidden}
.picture canvas{display:block;width:100%;height:100%}
.crop{position:absolute;border:1px solid #fff;box-shadow:0 0 0 100vmax rgb(0 0 0/.55)}
.crop.part{cursor:move;touch-action:none}
.corner{position:absolute;width:2.2rem;height:2.2rem;touch-action:none}
.corner.left{left:-1px}.corner.right{right:-1px}.corner.top{top:-1px}.corner.bottom{bottom:-1px}
.corner::after{content:"";position:absolute;width:.9rem;height:.9rem;border:0 solid #fff;}
.left::after{left:0;border-left-width:4px}.right::after{right:0;border-right-width:4px}
.top::after{top:0;border-top-width:4px}.bottom::after{bottom:0;border-bottom-width:4px}
.top.left,.bottom.right{cursor:nwse-resize}.top.right,.bottom.left{cursor:nesw-resize}
.controls{display:flex;flex-wrap:wrap;gap:.5rem .6rem;margin:.7rem 0 0;padding:0;border:0;min-width:0}
legend{padding:0;margin:0 0 .3rem;font-size:.82rem;color:var(--soft)}
.controls label{flex:1 1 4.2rem;font-size:.78rem;color:var(--soft);min-width:0}
.controls input{display:block;width:100%;font:inherit;font-size:.88rem;font-variant-numeric:tabular-nums;color:var(--ink);background:var(--paper);border:1px solid var(--soft);border-radius:.3rem;padding:.3rem .4rem;min-height:2.1rem}
.controls input:disabled{border-color:var(--rule)}
.buttons{display:flex;flex-wrap:wrap;gap:.5rem;flex:1 1 100%}
.verdict{font-size:1.35rem;line-height:1.35;margin:.7rem 0 .5rem;min-height:1.9rem;font-variant-numeric:tabular-nums}
.problem{margin:0 0 .8rem;padding:.7rem .95rem;border-radius:.35rem;font-size:.93rem;line-height:1.5;background:var(--warn-paper);color:var(--warn-ink)}
.problem p{margin:0}
.clip table{border-collapse:collapse;font-size:.9rem;line-height:1.4;font-variant-numeric:tabular-nums}
.bars{width:100%;table-layout:fixed}
.bars th{width:38%;text-align:left;font-weight:400;overflow-wrap:anywhere;padding:.28rem .8rem .28rem 0}
.bars .number{width:4.8rem;padding:.28rem .9rem .28rem 0}
.track{padding:0;background:linear-gradient(var(--surface),var(--surface)) center/100% .85rem no-repeat}
.bar{display:block;width:0;height:.85rem;background:var(--s0);transition:width .25s}
.likeliest th,.likeliest .number{font-weight:650}
.number{text-align:right;white-space:nowrap}
[data-state=busy] .bars{opacity:.55}
[data-state=done] progress,[data-state=failed] progress{visibility:hidden}
.used{min-height:1.25rem}
summary{cursor:pointer;font-size:.85rem;color:var(--link);padding:.45rem 0;width:fit-content}
.scroll{overflow:auto;max-width:100%;max-height:18rem}
.scroll th,.scroll td{padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--rule);text-align:right;font-weight:400}
.scroll thead th{position:sticky;top:0;background:var(--paper);color:var(--soft);font-weight:600;font-size:.82rem}
.scroll th:first-child{text-align:left}
`;

const NARROW = `@media (max-width:46rem){
header{padding-top:1.6rem}
.clip{grid-template-columns:minmax(0,1fr)}
.words{order:-1}
.bars th{width:46%}
.bars .number{width:4.6rem;padding-right:.6rem}
}
@media (prefers-reduced-motion:reduce){.bar{transition:none}}
`;
