/**
 * The page that classifies files in the browser: it loads the model, takes files that are dropped or chosen, and classifies them
 * one after the other. Files and what is found in them stay in the browser: the page can ask nothing of any network.
 */
import type { PageFacts } from '../web/facts.ts';
import { Card } from './card.ts';
import { classify } from './classify.ts';
import type { Shares } from './crop.ts';
import { byId, counted, element, percent } from './dom.ts';
import { failureOf, type PageFailure } from './failure.ts';
import { openSource } from './frames.ts';
import { openModel, type Predict } from './model.ts';
import { loadPart } from './parts.ts';
import { csvOf, type Row } from './table.ts';

interface Job {
  readonly file: File;
  readonly card: Card;
  /** Stops what is being computed of it. */
  stop: AbortController;
  isWaiting: boolean;
  result: Row['result'] | null;
}

const facts = JSON.parse(byId('facts', HTMLScriptElement).text) as PageFacts;
const results = byId('results', HTMLElement);
const chooser = byId('files', HTMLInputElement);
const most = byId('most', HTMLSelectElement);
const save = byId('save', HTMLButtonElement);
const status = byId('status', HTMLElement);
const jobs: Job[] = [];
/** The crop that was said to be that of all files. */
let shared: Shares | null = null;
let made = 0;
let isRunning = false;
let predict: Predict | null = null;

/** Tells who does not see the page. */
function tell(text: string): void {
  status.textContent = text;
}

async function load(): Promise<void> {
  const loading = byId('loading', HTMLElement);
  const bar = byId('loaded', HTMLProgressElement);
  const { runtime, model } = facts.parts;
  const total = runtime.pieces + model.pieces;
  try {
    const runtimeBytes = await loadPart('runtime', runtime, (share) => {
      bar.value = (share * runtime.pieces) / total;
    });
    const modelBytes = await loadPart('model', model, (share) => {
      bar.value = (runtime.pieces + share * model.pieces) / total;
    });
    predict = await openModel(runtimeBytes, modelBytes, facts.classes.length);
    loading.replaceChildren('The model is ready.');
    document.body.dataset['state'] = 'ready';
    await work();
  } catch (thrown) {
    const { message, remedy } = failureOf(thrown);
    document.body.dataset['state'] = 'failed';
    loading.classList.add('warn');
    loading.setAttribute('role', 'alert');
    loading.replaceChildren(element('strong', {}, message), ` ${remedy}`);
  }
}

function add(files: Iterable<File>): void {
  for (const file of files) {
    const id = ++made;
    const job: Job = {
      ...{ file, stop: new AbortController(), isWaiting: true, result: null },
      card: new Card(file.name, id, facts, {
        changed: () => {
          again(job);
        },
        forAll: (shares) => {
          shared = shares;
          for (const other of jobs) other.card.crop.use(shares);
          tell('All files have this crop now.');
        },
        removed: () => {
          remove(job);
        },
      }),
    };
    jobs.push(job);
    results.append(job.card.root);
  }
  void work();
}

function again(job: Job): void {
  job.stop.abort();
  job.isWaiting = true;
  void work();
}

function remove(job: Job): void {
  job.stop.abort();
  job.isWaiting = false;
  const at = jobs.indexOf(job);
  jobs.splice(at, 1);
  job.card.root.remove();
  tell(`${job.file.name} is removed.`);
  // The keyboard stays where it was.
  const next = jobs[Math.min(at, jobs.length - 1)];
  (next?.card.root.querySelector<HTMLElement>('.title button') ?? chooser).focus();
  save.disabled = jobs.every(({ result }) => result === null);
}

/** Classifies what waits, one file at a time. */
async function work(): Promise<void> {
  if (isRunning || predict === null) return;
  isRunning = true;
  for (let job = next(); job !== undefined; job = next()) await one(job, predict);
  isRunning = false;
}

const next = (): Job | undefined => jobs.find(({ isWaiting }) => isWaiting);

async function one(job: Job, model: Predict): Promise<void> {
  const { file, card } = job;
  job.isWaiting = false;
  job.stop = new AbortController();
  const { signal } = job.stop;
  card.started('Classifying …');
  tell(`Classifying ${file.name}.`);
  try {
    const source = await openSource(file, facts.fps, Number(most.value) || Infinity);
    try {
      card.opened(source, source.times);
      card.crop.open(source, card.crop.shares ?? shared);
      const reading = await classify(source, card.crop.kept, facts, model, card.onFrame, signal);
      job.result = reading;
      card.finished(reading);
      const { likeliest, confidence, isAnswered } = reading.mean;
      const said = `${facts.classes[likeliest]!} ${percent(confidence)}`;
      tell(
        `${file.name}: ${isAnswered ? said : `no answer, likeliest ${said}`}, ${counted(reading.frames.length, 'frame')}.`,
      );
    } finally {
      source.close();
    }
  } catch (thrown) {
    if (signal.aborted) return;
    const failure: PageFailure = failureOf(thrown);
    job.result = failure;
    card.failed(failure);
    tell(`${failure.message} ${failure.remedy}`);
  }
  save.disabled = false;
}

chooser.addEventListener('change', () => {
  add([...(chooser.files ?? [])]);
  // The same file may be chosen again.
  chooser.value = '';
});
most.addEventListener('change', () => {
  for (const job of jobs) again(job);
});
save.addEventListener('click', () => {
  const rows = jobs.flatMap(({ file, result }) => (result === null ? [] : [{ name: file.name, result }]));
  const address = URL.createObjectURL(new Blob([csvOf(rows, facts.classes)], { type: 'text/csv' }));
  element('a', { href: address, download: 'predictions.csv' }).click();
  setTimeout(() => {
    URL.revokeObjectURL(address);
  }, 60_000);
});

// A file that misses the box is taken as well: otherwise the browser would leave the page for it.
for (const kind of ['dragenter', 'dragover'] as const)
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add('dragging');
  });
document.addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) document.body.classList.remove('dragging');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dragging');
  add([...(event.dataTransfer?.files ?? [])]);
});

void load();
