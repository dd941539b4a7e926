import { artifactRoutes } from './artifacts/routes.js';
import { signedUrlRoutes } from './artifacts/signed-url-routes.js';
import { auditRoutes } from './audit/routes.js';
import { sealRoutes } from './audit/seal/routes.js';
import { bucketEventRoutes } from './bucket-events/routes.js';
import { decisionRoutes } from './decisions/routes.js';
import { executionRoutes } from './executions/routes.js';
import { healthRoutes } from './health/routes.js';
import { hookRoutes } from './hooks/routes.js';
import { docsRoutes } from './http/docs.js';
import type { Route } from './http/route.js';
import { keyRoutes } from './keys/routes.js';
import { knowledgeRoutes } from './knowledge/routes.js';
import { lineageRoutes } from './lineage/routes.js';
import { liveRoutes } from './live/routes.js';
import { reconcileRoutes } from './reconcile/routes.js';
import { searchRoutes } from './search/routes.js';
import { sessionRoutes } from './sessions/routes.js';

/** Every route there is, in one table. The router, OpenAPI and the routes × keys test all read this one. */
export const ROUTES: readonly Route[] = [
  ...knowledgeRoutes,
  ...searchRoutes,
  ...artifactRoutes,
  ...signedUrlRoutes,
  ...decisionRoutes,
  ...executionRoutes,
  ...lineageRoutes,
  ...sessionRoutes,
  ...liveRoutes,
  ...hookRoutes,
  ...bucketEventRoutes,
  ...reconcileRoutes,
  ...sealRoutes,
  ...auditRoutes,
  ...keyRoutes,
  ...healthRoutes,
  ...docsRoutes(() => ROUTES),
];
