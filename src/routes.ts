import { artifactRoutes } from './artifacts/routes.js';
import { signedUrlRoutes } from './artifacts/signed-url-routes.js';
import { bucketEventRoutes } from './bucket-events/routes.js';
import { healthRoutes } from './health/routes.js';
import { docsRoutes } from './http/docs.js';
import type { Route } from './http/route.js';
import { keyRoutes } from './keys/routes.js';
import { knowledgeRoutes } from './knowledge/routes.js';
import { reconcileRoutes } from './reconcile/routes.js';
import { searchRoutes } from './search/routes.js';

/** Every route there is, in one table. The router, OpenAPI and the routes × keys test all read this one. */
export const ROUTES: readonly Route[] = [
  ...knowledgeRoutes,
  ...searchRoutes,
  ...artifactRoutes,
  ...signedUrlRoutes,
  ...bucketEventRoutes,
  ...reconcileRoutes,
  ...keyRoutes,
  ...healthRoutes,
  ...docsRoutes(() => ROUTES),
];
