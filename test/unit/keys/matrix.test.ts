import { describe, expect, test } from 'vitest';
import { needsKey, type Route } from '../../../src/http/route.js';
import { ALL_SCOPES, type Scope, scopesOf } from '../../../src/keys/scopes.js';
import { ROUTES } from '../../../src/routes.js';
import { bearer, fakeApp } from '../http/fake-services.js';

/** A token says which scopes its key has, as positions in ALL_SCOPES: `has-0-3`; `has-` has none. */
const tokenOf = (scopes: readonly Scope[]) => `has-${scopes.map((scope) => ALL_SCOPES.indexOf(scope)).join('-')}`;
const KEYS: [string, readonly Scope[]][] = [
  ['no scope', []],
  ...ALL_SCOPES.map((scope): [string, Scope[]] => [`only ${scope}`, [scope]]),
  ...ALL_SCOPES.map((scope): [string, Scope[]] => [`all but ${scope}`, ALL_SCOPES.filter((other) => other !== scope)]),
  ['all scopes', ALL_SCOPES],
];

const denied: string[] = [];
const { app } = fakeApp(ROUTES, {
  gate: {
    authenticator: {
      authenticate: async (token) => {
        if (!token.startsWith('has-')) return undefined;
        const scopes = ALL_SCOPES.filter((_scope, index) => token.split('-').includes(String(index)));
        return { key_id: token, scopes };
      },
    },
    onDenied: async (ctx, route) => void denied.push(`${ctx.principal.key_id} ${route.method} ${route.path}`),
  },
});

function ask({ method, path, bodyKind }: Route, headers: Record<string, string>) {
  const type = bodyKind === 'stream' ? 'application/x-ndjson' : 'application/json';
  return app.request(path.replaceAll(/\{\w+\}/g, 'x'), {
    method,
    headers: { ...headers, ...(bodyKind === 'none' ? {} : { 'content-type': type }) },
    ...(bodyKind === 'none' ? {} : { body: '{}' }),
  });
}

/** The code by which the gate refused; a route may have refusals of its own. */
async function refusalOf(answer: Response): Promise<string | undefined> {
  const { code } = answer.ok ? {} : ((await answer.json()) as { code?: string });
  return code?.startsWith('auth:') ? code : undefined;
}

const named = ROUTES.map((route): [string, Route] => [`${route.method} ${route.path}`, route]);

describe('every route', () => {
  test('names a scope that exists, or is one of the few that are public', () => {
    const open = ROUTES.filter(({ scope }) => scope === 'public').map(({ path }) => path);
    expect(open.sort()).toEqual(
      [...['/livez', '/readyz', '/openapi.json', '/docs', '/docs/assets/{file}', '/docs/errors']].sort(),
    );
    for (const { scope } of ROUTES) expect(['public', 'own', ...ALL_SCOPES]).toContain(scope);
    const used = new Set(ROUTES.map(({ scope }) => scope));
    expect(ALL_SCOPES.filter((scope) => !used.has(scope))).toEqual([]);
  });

  test.each(named.filter(([, route]) => needsKey(route)))('%s is shut to the unknown', async (_name, route) => {
    expect((await ask(route, {})).status).toBe(401);
    expect((await ask(route, bearer('unknown'))).status).toBe(401);
  });

  test.each(named.filter(([, { scope }]) => scope === 'public'))('%s is open', async (_name, route) => {
    expect(await refusalOf(await ask(route, {}))).toBeUndefined();
  });

  describe.each(named.filter(([, { scope }]) => scope !== 'own'))('%s', (name, route) => {
    test.each(KEYS)('with a key of %s', async (_name, scopes) => {
      denied.length = 0;
      const opens = !needsKey(route) || scopes.some((scope) => scope === route.scope);
      const answer = await ask(route, bearer(tokenOf(scopes)));
      expect(await refusalOf(answer)).toBe(opens ? undefined : 'auth:scope_missing');
      if (!opens) expect(answer.status).toBe(403);
      expect(denied).toEqual(opens ? [] : [`${tokenOf(scopes)} ${name}`]);
    });
  });
});

test('a stored star stands for all scopes; what this version does not know opens nothing', () => {
  expect(scopesOf(['*'])).toEqual(ALL_SCOPES);
  expect(scopesOf(['search:read', 'of:the_future', 'knowledge:read'])).toEqual(['knowledge:read', 'search:read']);
  expect(scopesOf([])).toEqual([]);
});
