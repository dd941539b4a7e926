import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type CachedKey, HolderCache, MAX_CACHED } from '../../../src/keys/holder-cache.js';
import { hashOf, newToken } from '../../../src/keys/token.js';

test('a token is a public prefix and 32 random bytes; its hash is SHA-256 of all of it', () => {
  const made = Array.from({ length: 1000 }, newToken);
  for (const { token, prefix, hash } of made) {
    expect(token).toMatch(/^acv_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$/);
    expect(token.startsWith(`${prefix}_`)).toBe(true);
    expect(Buffer.from(token.slice(13), 'base64url')).toHaveLength(32);
    expect(hash).toBe(createHash('sha256').update(token).digest('hex'));
  }
  expect(new Set(made.map(({ token }) => token.slice(13))).size).toBe(1000);
  expect(hashOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

const known = (key_id: string, askedAtMs = 0): CachedKey => ({
  holder: { key_id, scopes: [] },
  expiresAtMs: Number.POSITIVE_INFINITY,
  lastUsedAtMs: 0,
  askedAtMs,
});

test('the cache forgets after 3 s, and when the clock is set back', () => {
  const cache = new HolderCache();
  cache.put('h', known('k', 10_000), cache.generation);
  expect(cache.get('h', 12_999)?.holder.key_id).toBe('k');
  expect(cache.get('h', 13_000)).toBeUndefined();
  cache.put('h', known('k', 10_000), cache.generation);
  expect(cache.get('h', 9_999)).toBeUndefined();
  expect(cache.get('h', 10_000)).toBeUndefined();
});

test('the cache is bounded: the oldest goes', () => {
  const cache = new HolderCache();
  for (let i = 0; i <= MAX_CACHED; i += 1) cache.put(`h${i}`, known(`k${i}`), cache.generation);
  expect(cache.get('h0', 1)).toBeUndefined();
  expect(cache.get('h1', 1)?.holder.key_id).toBe('k1');
  expect(cache.get(`h${MAX_CACHED}`, 1)?.holder.key_id).toBe(`k${MAX_CACHED}`);
});

test('the cache drops a key under all its hashes, and keeps no answer asked for before', () => {
  const cache = new HolderCache();
  const { generation } = cache;
  cache.put('h1', known('k'), generation);
  cache.put('h2', known('k'), generation);
  cache.put('h3', known('other'), generation);
  cache.drop('k');
  cache.put('h4', known('k'), generation);
  expect(['h1', 'h2', 'h3', 'h4'].map((hash) => cache.get(hash, 1)?.holder.key_id)).toEqual([
    undefined,
    undefined,
    'other',
    undefined,
  ]);
});
