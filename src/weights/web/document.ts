/**
 * The document of the page in the browser. Its policy lets it run the scripts beside it and show what the person gives it, and
 * nothing else: no request can leave it, to its own server neither. It says what the model is and what it is not for.
 */
import { type Html, html, name, type Part, trusted } from '../../charts/markup.ts';
import type { PageFacts } from './facts.ts';

/** What a page says of its model. */
export interface PageTexts {
  readonly title: string;
  readonly network: string;
  /** How the frames are that it takes. */
  readonly images: string;
  readonly learntFrom: readonly LearntFrom[] | null;
  /** Of the file of the weights, hex. */
  readonly sha256: string;
  readonly version: string;
  /** Of ONNX Runtime. */
  readonly runtime: string;
}

/** A set that the weights have learnt from. */
export interface LearntFrom {
  readonly set: string;
  /** By which training. */
  readonly by: string;
  readonly licence: string | null;
  readonly citation: string | null;
}

/** In the head of every page that this program wrote. */
export const PAGE_GENERATOR = 'uscl export';

const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  'img-src data: blob:',
  'media-src blob:',
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** The file index.html. */
export function pageDocument(facts: PageFacts, texts: PageTexts): string {
  const { classes, crop, fps } = facts;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="generator" content="${PAGE_GENERATOR} ${texts.version}" />
        <meta name="robots" content="noindex" />
        <meta name="referrer" content="no-referrer" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <title>${texts.title}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="page.css" />
        <script type="application/json" id="facts">
          ${trusted(JSON.stringify(facts).replaceAll('<', '\\u003c'))}
        </script>
        <script src="page.js" defer></script>
      </head>
      <body>
        <div class="page">
          <header>
            <h1>${texts.title}</h1>
            <p class="under">
              A ${texts.network} that tells apart ${listed(classes)}. It runs in this browser: no file and no
              result leaves this device.
            </p>
            <p class="badge" role="note">Research use only — not a medical device</p>
          </header>
          <main>
            <section aria-labelledby="clips-title">
              <h2 id="clips-title">Clips</h2>
              <div class="choose">
                <p id="hint">Drop pictures or videos here</p>
                <input
                  type="file"
                  id="files"
                  class="hidden"
                  multiple
                  accept="image/*,video/*"
                  aria-describedby="hint"
                />
                <label class="press" for="files">Choose files</label>
                <div id="loading">
                  Loading the model
                  <progress id="loaded" max="1" value="0" aria-label="The model is loading"></progress>
                </div>
              </div>
              <div class="option">
                <label for="most">Frames of a video</label>
                <select id="most">
                  <option value="0">
                    ${fps === 'all' ? 'every frame' : `${fps} a second`}, as the model learnt
                  </option>
                  <option value="32">at most 32</option>
                  <option value="8">at most 8</option>
                </select>
              </div>
              ${fieldNotice(crop)}
              <noscript>
                <p class="notice warn">Scripts are switched off in this browser; the page needs its own.</p>
              </noscript>
            </section>
            <section aria-labelledby="results-title">
              <div class="head">
                <h2 id="results-title">Results</h2>
                <button type="button" id="save" disabled>Save as CSV</button>
              </div>
              <div id="results"></div>
              <p class="empty">Nothing is classified yet.</p>
              <p id="status" class="hidden" role="status" aria-live="polite"></p>
            </section>
            ${modelSection(facts, texts)}
          </main>
          <footer>
            <p>
              Written by uscl ${texts.version}, with ONNX Runtime Web ${texts.runtime}; terms of both:
              licences.txt. Nothing is loaded from elsewhere, and the page’s policy forbids any request.
            </p>
            <p>Research use only — not a medical device.</p>
          </footer>
        </div>
      </body>
    </html> `;
  return page.toString();
}

/** What the page does not do, and what the person has to. */
function fieldNotice(crop: PageFacts['crop']): Html {
  return html`<p class="notice">
    <strong>This page does not find the field of the ultrasound.</strong>
    ${crop === 'auto' ? 'The model learnt from frames that were cropped to it: give' : 'Give'} frames that are
    cropped to the field, or set the crop of each clip below. With menus and letters around it the answers are
    others than those of uscl predict.
  </p>`;
}

function modelSection({ classes, crop, fps, size, abstainBelow }: PageFacts, texts: PageTexts): Html {
  const { network, images, learntFrom, sha256 } = texts;
  const rate = fps === 'all' ? 'every frame' : `${fps} frames a second`;
  const cropped = crop === 'auto' ? 'cropped to the field and blanked outside of it' : 'not cropped';
  const entries: readonly (readonly [string, Part])[] = [
    ['Network', network],
    ['Classes', listed(classes)],
    ['Frames', images],
    ['Clips it learnt from were', `${rate}, ${cropped}, the shorter side at most ${size} pixels`],
    ['Answers', `the mean of a clip’s frames; none below ${Math.round(100 * abstainBelow)}\u00a0%`],
    ['Learnt from', learntFrom === null ? 'not known' : learntFrom.map(setOf)],
    [
      'Not for',
      'Diagnosis, triage, or any decision about a patient. It was cleared by nobody. It answers any picture, ultrasound or not, with some class.',
    ],
    ['SHA-256 of the weights', sha256],
  ];
  return html`<section aria-labelledby="model-title">
    <h2 id="model-title">The model</h2>
    <dl class="facts">
      ${entries.map(
        ([term, text]) =>
          html`<div>
            <dt>${term}</dt>
            <dd>${text}</dd>
          </div> `,
      )}
    </dl>
  </section>`;
}

function setOf({ set, by, licence, citation }: LearntFrom): Html {
  return html`${name(set)} (${by}), licence:
  ${licence ?? 'not stated'}.${citation !== null && html` ${citation}.`} ${' '}`;
}

/** `a, b and c` */
function listed(names: readonly string[]): readonly Part[] {
  return names.flatMap((one, i) => {
    const before = i === 0 ? '' : i === names.length - 1 ? ' and ' : ', ';
    return [before, name(one)];
  });
}
