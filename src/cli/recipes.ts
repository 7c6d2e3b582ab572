/** `uscl recipes [NAME]`. */
import { Argument, Command } from 'commander';
import { type Recipe, recipeOf, RECIPES, type RecipeName } from '../ingest/recipes.ts';
import { runCommand, withJson } from './command.ts';

const LINE = 100;

export function recipesCommand(): Command {
  const command = new Command('recipes')
    .summary('the public sets that ingest knows: where to get them, licence, layout, labels')
    .description(
      'Lists the recipes of `uscl ingest --recipe NAME`; with a NAME, all there is to know of one.',
    )
    .addArgument(new Argument('[name]', 'recipe').choices(RECIPES))
    .addHelpText('after', '\nExamples:\n  uscl recipes\n  uscl recipes busi\n  uscl recipes --json');
  return withJson(command).action((name: RecipeName | undefined, options: { readonly json?: boolean }) =>
    runCommand(options, async (output) => {
      const recipes = (name === undefined ? RECIPES : [name]).map(recipeOf);
      output.result({ recipes: recipes.map(facts) });
      output.print(name === undefined ? list(recipes) : recipes.map(describe).join('\n'));
      await Promise.resolve();
    }),
  );
}

/** What a recipe says, without what it does. */
function facts({ plan: _plan, ...rest }: Recipe): Omit<Recipe, 'plan'> {
  return rest;
}

function list(recipes: readonly Recipe[]): string {
  const width = Math.max(...recipes.map(({ name }) => name.length)) + 2;
  return [
    ...recipes.map(({ name, about }) => `${name.padEnd(width)}${about}`),
    'More of one: uscl recipes NAME. The program distributes none of these sets.',
  ].join('\n');
}

function describe(recipe: Recipe): string {
  const rows: readonly (readonly [string, string | null])[] = [
    ['what', recipe.about],
    ['get it', recipe.from],
    ['homepage', recipe.homepage],
    ['licence', recipe.licence],
    ['cite', recipe.citation],
    ['folder', recipe.layout],
    ['classes', recipe.classes],
    ['groups', recipe.groups],
    ['caution', recipe.caution],
    ['ingest', callOf(recipe)],
  ];
  return rows
    .flatMap(([key, text]) =>
      text === null
        ? []
        : wrapped(text, LINE - 10).map((line, i) => `${(i === 0 ? key : '').padEnd(10)}${line}`),
    )
    .join('\n');
}

function callOf({ name, options }: Recipe): string {
  const { label, stills, labels } = options;
  return [
    `uscl ingest FOLDER --recipe ${name} --out DATASET`,
    ...(label === undefined ? [] : [`--label ${label.join('|')}`]),
    ...(stills === undefined ? [] : ['[--stills]']),
    ...(labels === undefined ? [] : ['[--labels FILE.csv]']),
  ].join(' ');
}

/** Words in lines of at most `width` letters; longer words stand alone. */
function wrapped(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
