/**
 * The model card of a published folder (Mitchell et al. 2019), as the Hugging Face hub shows one: a head in YAML, then text. Everything
 * in it is known of the run; what is not known is said to be so. Names of datasets are text, never markup.
 */
import { stringify } from 'yaml';
import { RESEARCH_USE } from '../../base/research-use.ts';
import { findMethod } from '../../methods/registry.ts';
import { FINETUNING, UNKNOWN } from '../../runs/provenance.ts';
import { hubLicence, type LearntSet } from './terms.ts';
import type { PublishedNetwork } from './timm-config.ts';

/** What a card is written from. */
export interface CardFacts extends PublishedNetwork {
  /** Version of this program. */
  readonly version: string;
  /** Null for weights of another tool. */
  readonly checkpoint: { readonly step: number; readonly epoch: number } | null;
  /** Sets in the order of learning, the last one first; null where that is not known. */
  readonly sets: readonly LearntSet[] | null;
  /** Sentences. */
  readonly scores: readonly string[];
}

const NETWORKS: Readonly<Record<string, string>> = {
  resnet18: 'ResNet-18',
  resnet34: 'ResNet-34',
  resnet50: 'ResNet-50',
};

/** The text of the file. */
export function modelCard(facts: CardFacts): string {
  const { backbone, classes, sets, scores } = facts;
  const title =
    classes === null
      ? `${NETWORKS[backbone]!}: features of ultrasound frames`
      : `${NETWORKS[backbone]!}: a classifier of ultrasound frames`;
  return [
    `---\n${head(facts)}---\n`,
    `# ${title}\n`,
    `**${RESEARCH_USE}** Not for diagnosis, triage or any decision about a patient. It was cleared by nobody.\n`,
    ...section('What it is', about(facts)),
    ...section('What it has learnt from, and under which terms', terms(sets)),
    ...section('Scores', scores.length === 0 ? ['None are known of these weights.'] : scores.map(plain)),
    ...section('How to load it', loading(facts)),
    ...section('Images', images(facts)),
    ...section('Limits', limits(classes)),
    ...section('Please cite', references(sets ?? [])),
  ].join('\n');
}

function section(title: string, paragraphs: readonly string[]): string[] {
  return [`## ${title}\n`, ...paragraphs.map((text) => `${text}\n`)];
}

/** What the hub reads, as its documentation of model cards has it. */
function head({ classes, sets }: CardFacts): string {
  const licence = sets === null ? null : hubLicence(sets);
  const task = classes === null ? 'image-feature-extraction' : 'image-classification';
  const names = [...new Set((sets ?? []).map(({ name }) => name))];
  const methods = [...new Set((sets ?? []).map(({ by }) => by))].filter((by) => findMethod(by) !== undefined);
  return stringify({
    ...(licence === null ? { license: 'other', license_name: 'terms-of-its-data' } : { license: licence }),
    library_name: 'timm',
    pipeline_tag: task,
    tags: [task, 'timm', 'ultrasound', 'medical', 'uscl', ...methods.filter((name) => name !== 'uscl')],
    ...(names.length === 0 ? {} : { datasets: names }),
  });
}

function about({ backbone, features, view, classes, version, checkpoint }: CardFacts): readonly string[] {
  const images = `${view.channels === 1 ? 'grey' : 'colour'} images of ${view.size} × ${view.size} pixels`;
  const answers =
    classes === null
      ? `${features} features, and no classes`
      : `${classes.length} classes, in this order: ${classes.map(plain).join(', ')}`;
  const stand = checkpoint === null ? '' : ` Step ${checkpoint.step} of its run, epoch ${checkpoint.epoch}.`;
  return [
    `A ${NETWORKS[backbone]!} (timm's \`${backbone}\`) for ${images}. It answers with ${answers}. Written by uscl ${version}.${stand}`,
  ];
}

function terms(sets: readonly LearntSet[] | null): readonly string[] {
  if (sets === null)
    return [
      'It is not known what these weights have learnt from. Whoever passes them on has to find out whether the terms of their data allow it.',
    ];
  const rows = sets.map((set) =>
    [
      plain(set.name),
      learntBy(set.by),
      set.clips === null ? 'not known' : String(set.clips),
      plain(set.licence ?? 'not stated: ask its publisher'),
    ].join(' | '),
  );
  return [
    '**Weights inherit the terms of their data.** Who uses or passes on these weights is bound by those of every set in this table, the last training first.',
    [
      '| set | trained by | clips | terms |',
      '| --- | --- | --- | --- |',
      ...rows.map((row) => `| ${row} |`),
    ].join('\n'),
  ];
}

function learntBy(by: string): string {
  if (by === FINETUNING) return 'fine-tuning, with labels';
  if (by === UNKNOWN) return 'not known';
  const method = findMethod(by);
  return method === undefined ? plain(by) : `${plain(method.title)}: ${plain(method.summary)}`;
}

function loading({ view, classes, backbone }: CardFacts): readonly string[] {
  const convert = view.channels === 1 ? 'L' : 'RGB';
  const answer =
    classes === null
      ? 'features = model(images)'
      : 'probabilities = model(images).softmax(-1)  # in the order of model.pretrained_cfg["label_names"]';
  return [
    'With timm 1.0.16 or newer, where `FOLDER` is this folder (on the hub, `hf-hub:` and the name of the repository in place of `local-dir:FOLDER`):',
    [
      '```python',
      'import timm, torch',
      'from PIL import Image',
      '',
      'model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()',
      'transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)',
      `images = transform(Image.open("frame.png").convert("${convert}")).unsqueeze(0)  # a frame, cropped to the ultrasound`,
      'with torch.no_grad():',
      `    ${answer}`,
      '```',
    ].join('\n'),
    'With `num_classes=N` timm puts a new, untrained classifier on it, to be fine-tuned. With uscl:',
    ['```sh', 'uscl probe FOLDER DATASET', 'uscl finetune FOLDER DATASET --out RUN', '```'].join('\n'),
    `With torchvision: the tensors have the names of \`torchvision.models.${backbone}\`${view.channels === 1 ? ', whose `conv1` has one channel here' : ''}.`,
  ];
}

function images({ view }: CardFacts): readonly string[] {
  const { size, channels, normalise } = view;
  return [
    `Frames are cropped to the field of the ultrasound, without the borders and texts of the screen: a whole screen gives other answers. The whole field is stretched to ${size} × ${size} pixels ` +
      `(${channels === 1 ? 'one channel' : 'three channels'}, values of 0 to 1), less mean ${String(normalise.mean)}, by deviation ${String(normalise.std)}. timm's transform does all of it but the cropping.`,
  ];
}

function limits(classes: readonly string[] | null): readonly string[] {
  return [
    'Other devices, depths, presets, body parts and patient groups than those of its data were not tested.' +
      (classes === null
        ? ''
        : ' It answers any picture, ultrasound or not, with some class. The label of a clip may be wrong, and so its confidence.'),
    'Whether patients agreed to this use is a matter of the terms of the datasets.',
  ];
}

function references(sets: readonly LearntSet[]): readonly string[] {
  const methods = sets.flatMap(({ by }) => findMethod(by)?.reference.text ?? []);
  const data = sets.flatMap(({ citation }) => citation ?? []);
  const texts = [...new Set([...methods, ...data])].map((text) => `- ${plain(text)}`);
  return [texts.length === 0 ? 'Nothing is known that would have to be cited.' : texts.join('\n')];
}

/** Text of one line in which nothing is markup. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_[\]<>|#~]/g, String.raw`\$&`);
}
