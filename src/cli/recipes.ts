/** `uscl recipes [NAME]`. */
import { Argument, Command } from 'commander';
import { type Recipe, recipeOf, RECIPES, type RecipeName } from '../ingest/recipes/recipes.ts';
import { LINE, table, wrapped } from './columns.ts';
import { withAction } from './command.ts';

/** Rows with commands, which stay whole: they are there to be copied. */
const COMMANDS = ['ingest', ''];

export function recipesCommand(): Command {
  const command = new Command('recipes')
    .summary('the public sets that ingest knows: where to get them, licence, layout, labels')
    .description(
      'Lists the recipes of `uscl ingest --recipe NAME`; with a NAME, all there is to know of one.',
    )
    .addArgument(new Argument('[name]', 'recipe').choices(RECIPES))
    .addHelpText('after', '\nExamples:\n  uscl recipes\n  uscl recipes busi\n  uscl recipes --json');
  return withAction(command, (output, _signal, name: RecipeName | undefined) => {
    const recipes = (name === undefined ? RECIPES : [name]).map(recipeOf);
    output.tell(
      { recipes: recipes.map(facts) },
      name === undefined ? list(recipes) : recipes.map(describe).join('\n'),
    );
  });
}

/** What a recipe says, without what it does. */
function facts({
  plan: _plan,
  recognises: _recognises,
  ...rest
}: Recipe): Omit<Recipe, 'plan' | 'recognises'> {
  return rest;
}

/** Every recipe with what one needs to decide and to begin. */
function list(recipes: readonly Recipe[]): string {
  const blocks = recipes.map(({ name, about, licence, homepage, layout, commands }) =>
    [
      ...wrapped(`${name}: ${about}`, LINE),
      ...table(
        [
          ['licence', licence],
          ['source', homepage],
          ['folder', layout],
          ['ingest', commands.find((command) => command.startsWith('uscl '))!],
        ],
        COMMANDS,
      ).map((line) => `  ${line}`),
    ].join('\n'),
  );
  return [
    ...blocks,
    'All there is to know of one: uscl recipes NAME. The program distributes none of these sets.',
  ].join('\n\n');
}

function describe(recipe: Recipe): string {
  return table(
    [
      ['what', recipe.about],
      ['get it', recipe.from],
      ['homepage', recipe.homepage],
      ['licence', recipe.licence],
      ['cite', recipe.citation],
      ['folder', recipe.layout],
      ['classes', recipe.classes],
      ['groups', recipe.groups],
      ['caution', recipe.caution],
      ['options', optionsOf(recipe)],
      ...recipe.commands.map((command, i) => [i === 0 ? 'ingest' : '', command] as const),
    ],
    COMMANDS,
  ).join('\n');
}

function optionsOf({ options }: Recipe): string | null {
  const { label, stills, part, labels } = options;
  const known = [
    ...(label === undefined ? [] : [`--label ${label.join('|')}`]),
    ...(stills === undefined ? [] : ['[--stills]']),
    ...(part === undefined ? [] : [`[--part ${part.join('|')}]`]),
    ...(labels === undefined ? [] : ['[--labels FILE.csv]']),
  ];
  return known.length === 0 ? null : known.join(' ');
}
