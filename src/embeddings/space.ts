import { createHash } from 'node:crypto';
import type { EmbeddingSpace } from './port.js';

const MAX_SLUG_CHARACTERS = 60;
const HASH_CHARACTERS = 10;

/**
 * The space of a model. Its slug is provider_model_dimensions where that is `[a-z0-9_]` already; else the nearest such
 * name plus a piece of the SHA-256 of the identity. So two models never share a slug: what is not hashed ends in the
 * dimensions, which are never as long as the hash.
 * @param provider `[a-z]+`
 */
export function spaceOf(provider: string, model: string, dimensions: number): EmbeddingSpace {
  const identity = { provider, model, dimensions, distance: 'cosine' } as const;
  const name = `${provider}_${model}_${dimensions}`;
  const plain = name.toLowerCase().replace(/[^a-z0-9_]+/g, '_');
  if (plain === name && name.length <= MAX_SLUG_CHARACTERS) return { ...identity, slug: name };
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, HASH_CHARACTERS);
  return { ...identity, slug: `${plain.slice(0, MAX_SLUG_CHARACTERS - HASH_CHARACTERS - 1)}_${hash}` };
}
