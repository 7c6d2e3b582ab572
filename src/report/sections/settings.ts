/** The complete configuration, and what the run was computed on. */
import { facts } from '../elements.ts';
import { html, type Part } from '../../charts/markup.ts';
import { bytes, count } from '../numbers.ts';
import type { Subject } from '../subject.ts';

/** Every key of the configuration as the run resolved it. */
export function configurationSection(subject: Subject): Part {
  if (subject.kind === 'evaluation')
    return html`<p>An evaluation trains nothing; the run of the model has its configuration.</p>`;
  return html`<p class="note">
      All keys as resolved, defaults included: <code>--config</code> with this text repeats the run.
    </p>
    <details>
      <summary>config.json</summary>
      <pre tabindex="0" aria-label="Configuration">${JSON.stringify(subject.config, null, 2)}</pre>
    </details>`;
}

/** Versions and machine. */
export function environmentSection({ environment }: Subject): Part {
  if (environment === null) return html`<p>The run has not recorded what it was computed on.</p>`;
  const { uscl, revision, node, system, cpu, processors, memory, backend } = environment;
  return facts([
    ['uscl', uscl],
    ['Revision', revision === null ? 'not from a checkout' : html`<code>${revision}</code>`],
    [
      'Kernels',
      `${backend.library} (${backend.name}), ${count(backend.threads)} threads, ${backend.instructionSet}`,
    ],
    ['Node.js', node],
    ['System', system],
    ['Processor', `${cpu} × ${count(processors)}`],
    ['Memory', bytes(memory)],
  ]);
}
