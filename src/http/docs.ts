import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { errorsHtml } from './error-reference.js';
import { openApiDocument } from './openapi.js';
import { defineRoute, type Route } from './route.js';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Acervo: API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
`;
const START =
  "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });\n";

/** Swagger UI sets style attributes and has its icons in data URLs; scripts come only from here. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ASSETS = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
  'start.js': 'text/javascript; charset=utf-8',
} as const;
type Asset = keyof typeof ASSETS;

const require = createRequire(import.meta.url);

/** Only names of the table above come here, so no path can be asked for. */
async function readAsset(file: Asset): Promise<Uint8Array | string> {
  return file === 'start.js' ? START : readFile(require.resolve(`swagger-ui-dist/${file}`));
}

const publicPage = {
  method: 'GET',
  scope: 'public',
  tag: 'docs',
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
} as const;

/** The API's own description. @param table the routes to describe, these among them, hence not known yet */
export function docsRoutes(table: () => readonly Route[]): Route[] {
  let document: object | undefined;
  const html = { 200: { description: 'A page.', contentType: 'text/html' } };
  return [
    defineRoute({
      ...publicPage,
      path: '/openapi.json',
      operationId: 'getOpenApi',
      summary: 'This API as an OpenAPI 3.1 document',
      responses: { 200: { description: 'The document.', schema: z.looseObject({ openapi: z.string() }) } },
      errors: [],
      handler: async () => {
        document ??= openApiDocument(table());
        return { status: 200, body: document };
      },
    }),
    defineRoute({
      ...publicPage,
      path: '/docs',
      operationId: 'getDocs',
      summary: 'This API as an interactive page',
      responses: html,
      errors: [],
      handler: async () => ({
        status: 200,
        body: PAGE,
        headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': PAGE_POLICY },
      }),
    }),
    defineRoute({
      ...publicPage,
      path: '/docs/assets/{file}',
      operationId: 'getDocsAsset',
      summary: 'A file of the interactive page',
      params: z.object({ file: z.enum(Object.keys(ASSETS) as [Asset, ...Asset[]]) }),
      responses: { 200: { description: 'The file.', contentType: '*/*' } },
      errors: [],
      handler: async (_ctx, { params }) => ({
        status: 200,
        body: await readAsset(params.file),
        headers: { 'content-type': ASSETS[params.file], 'cache-control': 'public, max-age=3600' },
      }),
    }),
    defineRoute({
      ...publicPage,
      path: '/docs/errors',
      operationId: 'getErrorReference',
      summary: 'What each error code means',
      responses: html,
      errors: [],
      handler: async () => ({
        status: 200,
        body: errorsHtml(),
        headers: { 'content-type': 'text/html; charset=utf-8' },
      }),
    }),
  ];
}
