import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mermaidOf } from '../../../src/lineage/mermaid.js';
import { provOf } from '../../../src/lineage/prov.js';
import type { Lineage, LineageNode } from '../../../src/lineage/schemas.js';

const created_at = '2026-03-01T12:00:00Z';
const node = (resource: string, more: Partial<LineageNode> = {}): LineageNode => {
  const [kind, id = ''] = resource.split(':');
  return { resource, kind: kind as 'agent', id, created_at, ...more };
};

const LINEAGE: Lineage = {
  nodes: [
    node('knowledge:k', { title: 'Budget', agent_id: 'a' }),
    node('artifact:f', { name: 'b.xlsx', status: 'stored', agent_id: 'other' }),
    node('decision:d', { decision_type: 'action', outcome: { status: 'success' }, agent_id: 'a' }),
    node('session:s', { status: 'active', agent_id: 'a' }),
    node('agent:a'),
  ],
  edges: [
    { kind: 'supports', from: 'knowledge:k', to: 'decision:d' },
    { kind: 'derived_from', from: 'knowledge:k', to: 'artifact:f' },
    { kind: 'decides', from: 'agent:a', to: 'decision:d' },
    { kind: 'produces', from: 'session:s', to: 'artifact:f' },
    { kind: 'produces', from: 'agent:a', to: 'artifact:f' },
    { kind: 'decides', from: 'session:s', to: 'decision:d' },
  ],
  truncated: false,
};

/** As PROV-JSON has them: a record of sections, and in each a record by name. */
const ends = (section: Record<string, unknown> | undefined) => Object.values(section ?? {});

describe('PROV-JSON', () => {
  const prov = provOf(LINEAGE);

  test('has entities, activities and agents', () => {
    expect(Object.keys(prov.entity ?? {}).toSorted()).toEqual(['artifact:f', 'knowledge:k']);
    expect(Object.keys(prov.activity ?? {}).toSorted()).toEqual(['decision:d', 'session:s']);
    // One of them is known by what it made alone.
    expect(Object.keys(prov.agent ?? {}).toSorted()).toEqual(['agent:a', 'agent:other']);
    expect(prov.entity?.['knowledge:k']).toEqual({
      'prov:type': { $: 'acervo:knowledge', type: 'prov:QUALIFIED_NAME' },
      'prov:label': 'Budget',
      'acervo:created_at': { $: created_at, type: 'xsd:dateTime' },
    });
    expect(prov.activity?.['decision:d']).toMatchObject({
      'prov:startTime': created_at,
      'acervo:decision_type': 'action',
      'acervo:outcome': '{"status":"success"}',
    });
  });

  test('names the ends of each relation as the data model does', () => {
    expect(ends(prov.used)).toEqual([{ 'prov:activity': 'decision:d', 'prov:entity': 'knowledge:k' }]);
    expect(ends(prov.wasDerivedFrom)).toEqual([
      { 'prov:generatedEntity': 'knowledge:k', 'prov:usedEntity': 'artifact:f' },
    ]);
    expect(ends(prov.wasGeneratedBy)).toEqual([{ 'prov:entity': 'artifact:f', 'prov:activity': 'session:s' }]);
    expect(ends(prov.wasStartedBy)).toEqual([{ 'prov:activity': 'decision:d', 'prov:starter': 'session:s' }]);
    expect(ends(prov.wasAssociatedWith)).toEqual([
      { 'prov:activity': 'decision:d', 'prov:agent': 'agent:a' },
      { 'prov:activity': 'session:s', 'prov:agent': 'agent:a' },
    ]);
    expect(ends(prov.wasAttributedTo)).toEqual([
      { 'prov:entity': 'artifact:f', 'prov:agent': 'agent:a' },
      { 'prov:entity': 'knowledge:k', 'prov:agent': 'agent:a' },
      { 'prov:entity': 'artifact:f', 'prov:agent': 'agent:other' },
    ]);
  });

  test('declares every prefix that it uses, and every thing that it relates', () => {
    const prefixes = new Set([...Object.keys(prov.prefix), 'prov', 'xsd', '_']);
    const declared = new Set([prov.entity, prov.activity, prov.agent].flatMap((section) => Object.keys(section ?? {})));
    const relations = [
      'used',
      'wasDerivedFrom',
      'wasGeneratedBy',
      'wasStartedBy',
      'wasAssociatedWith',
      'wasAttributedTo',
    ];
    const names = relations.flatMap((name) => Object.keys(prov[name] ?? {}));
    expect(new Set(names).size).toBe(names.length);
    for (const relation of relations.flatMap((name) => ends(prov[name])))
      for (const [end, name] of Object.entries(relation as Record<string, string>)) {
        expect(prefixes).toContain(end.split(':')[0]);
        expect(declared).toContain(name);
      }
    for (const name of [...names, ...declared]) expect(prefixes).toContain(name.split(':')[0]);
  });

  test('of one thing alone has no empty sections', () => {
    const alone = provOf({ nodes: [node('session:s')], edges: [], truncated: false });
    expect(Object.keys(alone)).toEqual(['prefix', 'activity']);
  });
});

describe('Mermaid', () => {
  test('draws nodes and edges', () => {
    expect(mermaidOf(LINEAGE).split('\n')).toEqual([
      'flowchart TD',
      '  n0["knowledge: Budget"]',
      '  n1[("artifact: b.xlsx<br/>stored")]',
      '  n2{{"decision: action"}}',
      '  n3(["session:s<br/>active"])',
      '  n4(("agent:a"))',
      '  n0 -->|supports| n2',
      '  n0 -->|derived_from| n1',
      '  n4 -->|decides| n2',
      '  n3 -->|produces| n1',
      '  n4 -->|produces| n1',
      '  n3 -->|decides| n2',
      '',
    ]);
  });

  test('no text becomes syntax', () => {
    const title = '"] --> n9["<script>alert(1)</script>`#quot;\n%%{init}%%; click n0 href "x"';
    const [, line = ''] = mermaidOf({ nodes: [node('knowledge:k', { title })], edges: [], truncated: false }).split(
      '\n',
    );
    expect(line).toBe(
      '  n0["knowledge: #34;#93; --#62; n9#91;#34;#60;script#62;alert#40;1#41;#60;#47;script#62;#96;#35;quot#59; #37;#37;#123;i…"]',
    );
  });

  test('of any title is one line whose label holds letters, digits, marks and entity codes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (title) => {
        const lines = mermaidOf({ nodes: [node('knowledge:k', { title })], edges: [], truncated: true }).split('\n');
        expect(lines).toHaveLength(4);
        expect(lines[1]).toBe('  %% There is more than is shown.');
        expect(lines[2]).toMatch(/^ {2}n0\["knowledge:(?:[\p{L}\p{M}\p{N} .,:_…-]|#\d+;)*"\]$/u);
      }),
    );
  });
});
