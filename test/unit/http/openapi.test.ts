import { readFile } from 'node:fs/promises';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ERROR_CODES } from '../../../src/errors/codes.js';
import { errorsMarkdown } from '../../../src/http/error-reference.js';
import { openApiDocument } from '../../../src/http/openapi.js';
import { defineRoute } from '../../../src/http/route.js';
import { ROUTES } from '../../../src/routes.js';
import { fakeApp, readThing, THINGS, writeThing } from './fake-services.js';

interface Operation {
  operationId: string;
  security: object[];
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  responses: Record<string, { content?: Record<string, { schema: { $ref?: string } }> }>;
  'x-acervo-scope': string;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
}

const documentOf = (routes: Parameters<typeof openApiDocument>[0]) => openApiDocument(routes) as Document;

async function lint(document: object): Promise<string[]> {
  const config = await createConfig({ extends: ['recommended'] });
  const problems = await lintFromString({ source: JSON.stringify(document), absoluteRef: 'openapi.json', config });
  return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`);
}

describe('/openapi.json', () => {
  test('of the product lints clean under the recommended rules', async () => {
    const response = await fakeApp().app.request('/openapi.json');
    const document = (await response.json()) as Document;
    expect(document.openapi).toBe('3.1.0');
    expect(await lint(document)).toEqual([]);
  });

  test('the linter would tell', async () => {
    const broken = documentOf(THINGS);
    broken.paths['/v1/things/{id}']!.get!.parameters = [];
    expect((await lint(broken)).join()).toMatch(/path-parameters-defined|operation-parameters/);
  });

  test('lists every route with its scope and its own operationId', () => {
    const document = documentOf(ROUTES);
    const listed = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => [
        method.toUpperCase(),
        path,
        operation['x-acervo-scope'],
      ]),
    );
    expect(listed.sort()).toEqual(ROUTES.map(({ method, path, scope }) => [method, path, scope]).sort());
    const ids = ROUTES.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('writes parameters, bodies, security and errors from the route', async () => {
    const document = documentOf(THINGS);
    expect(await lint(document)).toEqual([]);
    const get = document.paths['/v1/things/{id}']!.get!;
    expect(get.parameters).toMatchObject([
      { name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^[a-z]{1,8}$' } },
      { name: 'limit', in: 'query', required: false, schema: { type: 'integer', maximum: 100, default: 10 } },
    ]);
    expect(get.security).toEqual([{ key: [] }]);
    expect(Object.keys(get.responses)).toEqual(['200', '400', '401', '403', '429', '500', '503']);
    expect(get.responses['401']!.content!['application/problem+json']!.schema).toEqual({
      $ref: '#/components/schemas/Problem',
    });
    const post = document.paths['/v1/things']!.post!;
    expect(post.parameters.map(({ name }) => name)).toEqual(['Idempotency-Key']);
    expect(Object.keys(post.responses)).toEqual([
      '200',
      '400',
      '401',
      '403',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ]);
    expect(post).toMatchObject({
      requestBody: { content: { 'application/json': { schema: { additionalProperties: false, required: ['name'] } } } },
    });
  });

  test('shares named and recursive schemas as components', async () => {
    const Filter = z.object({
      path: z.string(),
      get and() {
        return z.array(Filter).optional();
      },
    });
    const named = z.object({ text: z.string() }).meta({ id: 'Named' });
    const routes = [
      defineRoute({
        ...writeThing,
        bodyKind: 'json',
        body: z.strictObject({ filter: Filter, named }),
        handler: async () => ({ status: 200 }),
      }),
      defineRoute({ ...readThing, bodyKind: 'none', responses: { 200: { description: 'x', schema: named } } }),
    ];
    const document = documentOf(routes);
    expect(await lint(document)).toEqual([]);
    expect(Object.keys(document.components.schemas).sort()).toEqual(['Named', 'Problem', 'createThing_1'].sort());
    expect(document.components.schemas.createThing_1).toMatchObject({
      properties: { and: { items: { $ref: '#/components/schemas/createThing_1' } } },
    });
  });

  test('two schemas of one name are refused', () => {
    const routes = ['a', 'b'].map((field, index) =>
      defineRoute({
        ...readThing,
        bodyKind: 'none',
        operationId: `op${index}`,
        path: `/v${index}/{id}`,
        responses: {
          200: {
            description: 'x',
            schema: z
              .object({ [field]: z.string() })
              .describe('x')
              .meta({ id: 'Twice' }),
          },
        },
      }),
    );
    expect(() => openApiDocument(routes)).toThrow('Two different schemas are called Twice');
  });
});

describe('the docs pages', () => {
  const { app } = fakeApp();

  test('/docs loads scripts from here only, and none inline', async () => {
    const response = await app.request('/docs');
    const page = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toMatch(/script-src[^;]*unsafe/);
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)/);
    const referred = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(referred).toHaveLength(4);
    for (const path of referred) {
      const asset = await app.request(path);
      expect([path, asset.status, (await asset.arrayBuffer()).byteLength > 50]).toEqual([path, 200, true]);
      expect(asset.headers.get('cache-control')).toBe('public, max-age=3600');
    }
  });

  test.each(['package.json', '..%2fpackage.json', '%2e%2e%2findex.js', 'swagger-ui.css.map'])(
    '%s is no asset',
    async (file) => {
      expect((await app.request(`/docs/assets/${file}`)).status).toBe(400);
    },
  );

  test('/docs/errors has the anchor that a problem points to', async () => {
    const { type } = (await (await app.request('/nowhere')).json()) as { type: string };
    const [path, anchor] = type.split('#');
    const page = await (await app.request(path!)).text();
    expect(page).toContain(`<tr id="${anchor}">`);
    expect([...page.matchAll(/<tr id=/g)]).toHaveLength(Object.keys(ERROR_CODES).length);
  });

  test('docs/errors.md is up to date (else: npm run docs)', async () => {
    expect(await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8')).toBe(errorsMarkdown());
  });
});
