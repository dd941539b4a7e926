import type { Context } from '../context.js';
import { requireScopes } from '../keys/require-scopes.js';
import type { Scope } from '../keys/scopes.js';

interface Links {
  /** Ids of documents. */
  evidence: string[];
  /** Ids of artifacts. */
  products: string[];
}

/** The scope that it takes to know that something is there. */
const SCOPES = { evidence: 'knowledge:read', products: 'artifacts:read' } as const satisfies Record<keyof Links, Scope>;

/**
 * Who links a decision to something learns whether it is there, so it takes the right to read it.
 * @throws AcervoError `auth:scope_missing`
 */
export function requireLinkScopes(
  ctx: Context,
  { evidence = [], products = [] }: { [Name in keyof Links]?: Links[Name] | undefined },
): void {
  const needed = [...(evidence.length > 0 ? [SCOPES.evidence] : []), ...(products.length > 0 ? [SCOPES.products] : [])];
  requireScopes(ctx, needed);
}

/** Those of its links that the scopes of this key show. */
export function visibleLinks({ principal }: Context, { evidence, products }: Links): Links {
  return {
    evidence: principal.scopes.has(SCOPES.evidence) ? evidence : [],
    products: principal.scopes.has(SCOPES.products) ? products : [],
  };
}
