import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactsOf, keyFor } from '../support/artifacts.js';
import { expectProblem, knowledgeOf } from '../support/knowledge.js';
import { objectsUnavailable, type ProductWithObjects, startProductWithObjects } from '../support/objects.js';

interface Lineage {
  nodes: { resource: string; title?: string; name?: string; decision_type?: string; agent_id?: string }[];
  edges: { kind: string; from: string; to: string }[];
  truncated: boolean;
}

const ALL = ['lineage:read', 'knowledge:read', 'artifacts:read', 'decisions:read', 'sessions:read'];

describe.skipIf(objectsUnavailable)('GET /v1/lineage/{resource}', () => {
  let all: ProductWithObjects;

  const ask = (resource: string, query = '', options: { key?: string; headers?: Record<string, string> } = {}) =>
    all.product.call<Lineage & Record<string, unknown>>('GET', `/v1/lineage/${resource}${query}`, undefined, options);
  const names = async (resource: string, query = '', key = all.product.key) => {
    const answer = await ask(resource, query, { key });
    expect(answer.status, answer.text).toBe(200);
    return answer.body.nodes.map((node) => node.resource).toSorted();
  };

  /** source.txt → notes (from it) → choice, by ana → report.txt → summary (from it), which is evidence of the choice. */
  beforeAll(async () => {
    all = await startProductWithObjects();
    const { reserve } = artifactsOf(all.product);
    await reserve({ id: 'source', name: 'source.txt', size_bytes: 1, agent_id: 'ana' });
    await reserve({ id: 'report', name: 'report "final" <1>.txt', size_bytes: 1, agent_id: 'ana' });
    const { post } = knowledgeOf(all.product);
    await post({
      id: 'notes',
      title: 'Notes',
      content: 'What the source says.',
      artifact_id: 'source',
      agent_id: 'ana',
    });
    await post({ id: 'secret', content: 'What bob knows.', agent_id: 'bob' });
    await post({ id: 'summary', content: 'What the report says.', artifact_id: 'report', agent_id: 'ana' });
    const decided = await all.product.call('POST', '/v1/decisions', {
      ...{ id: 'choice', agent_id: 'ana', decision_type: 'analysis', reasoning: 'It follows.' },
      ...{ evidence: ['notes', 'secret', 'summary'], products: ['report'] },
    });
    expect(decided.status, decided.text).toBe(201);
  });
  afterAll(() => all?.stop());

  it('follows causes up and effects down, so far as asked', async () => {
    expect(await names('artifact:source', '?direction=up&depth=5')).toEqual(['artifact:source']);
    expect(await names('artifact:source', '?direction=down&depth=1')).toEqual(['artifact:source', 'knowledge:notes']);
    expect(await names('artifact:source', '?direction=down&depth=2')).toEqual([
      ...['artifact:source', 'decision:choice', 'knowledge:notes'],
    ]);
    expect(await names('artifact:source', '?direction=down&depth=5')).toEqual([
      ...['artifact:report', 'artifact:source', 'decision:choice', 'knowledge:notes', 'knowledge:summary'],
    ]);
    // Neither what else bob's document led to, nor what else ana decided: only causes of causes, effects of effects.
    expect(await names('decision:choice', '?direction=both&depth=1')).toEqual([
      ...[
        'agent:ana',
        'artifact:report',
        'decision:choice',
        'knowledge:notes',
        'knowledge:secret',
        'knowledge:summary',
      ],
    ]);
    expect(await names('agent:bob')).toEqual(['agent:bob']);
  });

  it('leaves out what a key may not read, and does not pass through it', async () => {
    const bound = await keyFor(all.product, { scopes: ALL, agent_id: 'ana' });
    expect(await names('decision:choice', '?depth=1', bound)).not.toContain('knowledge:secret');
    const blind = await keyFor(all.product, { scopes: ALL.filter((scope) => scope !== 'decisions:read') });
    expect(await names('artifact:source', '?depth=5', blind)).toEqual(['artifact:source', 'knowledge:notes']);
    const answer = await ask('knowledge:notes', '?depth=5', { key: blind });
    expect(answer.text).not.toContain('choice');
    expect(answer.text).not.toContain('report');
    expect(answer.body.truncated).toBe(false);
  });

  it('says of what a key may not read what it says of what is not there', async () => {
    const bound = await keyFor(all.product, { scopes: ALL, agent_id: 'ana' });
    const blind = await keyFor(all.product, { scopes: ['lineage:read', 'knowledge:read'] });
    const asked: [string, string][] = [
      ['knowledge:secret', bound],
      ['agent:bob', bound],
      ['artifact:source', blind],
      ['decision:choice', blind],
      ['knowledge:nothing', all.product.key],
    ];
    for (const [resource, key] of asked) {
      const problem = expectProblem(await ask(resource, '', { key }), 404, 'lineage:not_found');
      expect(problem.detail).toBeUndefined();
    }
    const reader = await keyFor(all.product, { scopes: ['knowledge:read'] });
    expectProblem(await ask('knowledge:notes', '', { key: reader }), 403, 'auth:scope_missing');
  });

  it('refuses what is no resource, and other depths and directions', async () => {
    for (const resource of ['knowledge', 'knowledge:', 'key:1', 'knowledge:a:b', 'knowledge:..', 'Knowledge:notes'])
      expectProblem(await ask(encodeURIComponent(resource)), 400, 'request:invalid');
    for (const query of ['?depth=0', '?depth=6', '?depth=x', '?direction=left', '?format=xml'])
      expectProblem(await ask('knowledge:notes', query), 400, 'request:invalid');
  });

  it('leads from a session to what was made and decided in it, and back', async () => {
    const { call } = all.product;
    const { reserve, patch } = artifactsOf(all.product);
    expectProblem(await reserve({ id: 'early', size_bytes: 1, session_id: 'run' }), 404, 'session:not_found');
    expectProblem(await ask('artifact:early'), 404, 'lineage:not_found');
    expect((await call('POST', '/v1/sessions', { id: 'run', agent_id: 'eve' })).status).toBe(201);
    expect((await reserve({ id: 'made', size_bytes: 1, session_id: 'run' })).status).toBe(201);
    expect((await reserve({ id: 'later', size_bytes: 1 })).status).toBe(201);
    expectProblem(await patch('later', { session_id: 'other' }), 404, 'session:not_found');
    expect((await patch('later', { session_id: 'run' })).status).toBe(200);
    const said = { id: 'ruling', agent_id: 'eve', session_id: 'run', decision_type: 'action', reasoning: 'It is so.' };
    expect((await call('POST', '/v1/decisions', said)).status).toBe(201);
    const products = ['artifact:later', 'artifact:made', 'decision:ruling', 'session:run'];
    expect(await names('session:run', '?direction=down')).toEqual(products);
    expect(await names('decision:ruling', '?direction=up')).toEqual(['agent:eve', 'decision:ruling', 'session:run']);
    const { wasStartedBy } = (await ask('decision:ruling', '?format=prov')).body;
    expect(Object.values(wasStartedBy as object)).toEqual([
      { 'prov:activity': 'decision:ruling', 'prov:starter': 'session:run' },
    ]);
    expect((await call('DELETE', '/v1/sessions/run')).status).toBe(204);
    expect(await names('decision:ruling', '?direction=up')).toEqual(['agent:eve', 'decision:ruling']);
    expect(await names('artifact:made', '?direction=up')).toEqual(['artifact:made']);
  });

  it('answers in the format that is asked for', async () => {
    const accept = (value: string) => ask('decision:choice', '?depth=1', { headers: { accept: value } });
    const typeOf = async (value: string) => (await accept(value)).headers.get('content-type');
    expect(await typeOf('*/*')).toMatch(/^application\/json/);
    expect(await typeOf('application/prov+json')).toBe('application/prov+json');
    expect(await typeOf('text/html, application/prov+json;q=0.9')).toBe('application/prov+json');
    expect(await typeOf('application/json; profile="http://www.w3.org/ns/prov#"')).toBe('application/prov+json');
    expect(await typeOf('text/vnd.mermaid')).toMatch(/^text\/vnd\.mermaid/);
    expect((await accept('*/*')).headers.get('vary')).toMatch(/accept/i);
    const asked = await ask('decision:choice', '?depth=1&format=prov', { headers: { accept: 'text/vnd.mermaid' } });
    expect(asked.headers.get('content-type')).toBe('application/prov+json');
    expect(asked.body).toMatchObject({
      prefix: { knowledge: 'urn:acervo:knowledge:' },
      entity: { 'knowledge:notes': { 'prov:label': 'Notes' } },
      activity: { 'decision:choice': { 'acervo:decision_type': 'analysis' } },
      agent: { 'agent:ana': {}, 'agent:bob': {} },
    });
    const { text } = await ask('decision:choice', '?depth=1&format=mermaid');
    expect(text).toMatch(/^flowchart TD\n {2}n0\{\{"decision: analysis"\}\}\n/);
    expect(text).toContain('artifact: report #34;final#34; #60;1#62;.txt');
  });
});
