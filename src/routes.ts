import { healthRoutes } from './health/routes.js';
import { docsRoutes } from './http/docs.js';
import type { Route } from './http/route.js';
import { keyRoutes } from './keys/routes.js';
import { knowledgeRoutes } from './knowledge/routes.js';
import { searchRoutes } from './search/routes.js';

/** Every route there is, in one table. The router, OpenAPI and the routes × keys test all read this one. */
export const ROUTES: readonly Route[] = [
  ...knowledgeRoutes,
  ...searchRoutes,
  ...keyRoutes,
  ...healthRoutes,
  ...docsRoutes(() => ROUTES),
];
