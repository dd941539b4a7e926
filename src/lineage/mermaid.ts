import type { Kind, Lineage, LineageNode } from './schemas.js';

export const MERMAID = 'text/vnd.mermaid';

const MAX_LABEL_CHARACTERS = 60;

/** Opening and closing of a node's shape, to tell kinds apart at a glance. */
const SHAPES: Record<Kind, [string, string]> = {
  knowledge: ['[', ']'],
  artifact: ['[(', ')]'],
  decision: ['{{', '}}'],
  session: ['([', '])'],
  agent: ['((', '))'],
};

/** Letters, digits and a few marks stay; everything else becomes an entity code, so that no text can be syntax. */
function escaped(text: string): string {
  const shown = [...text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()];
  const cut = shown.length > MAX_LABEL_CHARACTERS ? [...shown.slice(0, MAX_LABEL_CHARACTERS - 1), '…'] : shown;
  return cut.map((one) => (/[\p{L}\p{M}\p{N} .,:_…-]/u.test(one) ? one : `#${one.codePointAt(0)};`)).join('');
}

function labelOf({ resource, kind, title, name, decision_type, status }: LineageNode): string {
  const what = title ?? name ?? decision_type;
  const lines = what === undefined ? [resource] : [`${kind}: ${what}`];
  return [...lines, ...(status === undefined ? [] : [status])].map(escaped).join('<br/>');
}

/**
 * A lineage as a Mermaid flowchart, for people to look at. Arrows are the edges as they are named: `derived_from` points
 * from the knowledge up to its artifact.
 */
export function mermaidOf({ nodes, edges, truncated }: Lineage): string {
  const names = new Map(nodes.map(({ resource }, index) => [resource, `n${index}`]));
  return [
    'flowchart TD',
    ...(truncated ? ['  %% There is more than is shown.'] : []),
    ...nodes.map((node, index) => {
      const [open, close] = SHAPES[node.kind];
      return `  n${index}${open}"${labelOf(node)}"${close}`;
    }),
    ...edges.map(({ kind, from, to }) => `  ${names.get(from)} -->|${kind}| ${names.get(to)}`),
    '',
  ].join('\n');
}
