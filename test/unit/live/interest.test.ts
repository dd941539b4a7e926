import { describe, expect, test } from 'vitest';
import { ALL_SCOPES } from '../../../src/keys/scopes.js';
import type { Change } from '../../../src/live/change.js';
import { textOf } from '../../../src/live/change.js';
import { readInterest, wants } from '../../../src/live/interest.js';

const everything = { agent_id: undefined, scopes: new Set(ALL_SCOPES) };
const change: Change = {
  id: '2026-01-01T00:00:00Z_x',
  resource: 'knowledge:k1',
  kind: 'knowledge',
  action: 'UPDATE',
  status: 'SUCCESS',
  revision: 3,
  agent_id: 'one',
  timestamp: '2026-01-01T00:00:00Z',
  columns: { language: 'english', metadata: { size: 5 } },
};

describe('what somebody follows', () => {
  test.each([
    ['everything', {}, true],
    ['its kind', { kinds: ['knowledge'] as const }, true],
    ['another kind', { kinds: ['artifact'] as const }, false],
    ['itself', { resource: 'knowledge:k1' }, true],
    ['another', { resource: 'knowledge:k10' }, false],
    [
      'a filter that fits',
      { kinds: ['knowledge'] as const, filter: { 'metadata.size': { $gt: 4 }, id: 'k1', revision: 3 } },
      true,
    ],
    ['a filter that does not', { kinds: ['knowledge'] as const, filter: { 'metadata.size': { $gt: 5 } } }, false],
  ])('%s', (_what, input, expected) => {
    expect(wants(readInterest(input), everything, change)).toBe(expected);
  });

  test('is given where the columns are unknown', () => {
    const interest = readInterest({ kinds: ['knowledge'], filter: { language: 'german' } });
    expect(wants(interest, everything, change)).toBe(false);
    expect(wants(interest, everything, { ...change, columns: undefined })).toBe(true);
  });

  test('is bounded by the key: its agent, and the scope of the kind', () => {
    const all = readInterest({});
    expect(wants(all, { ...everything, agent_id: 'one' }, change)).toBe(true);
    expect(wants(all, { ...everything, agent_id: 'two' }, change)).toBe(false);
    expect(wants(all, { ...everything, agent_id: 'one' }, { ...change, agent_id: undefined })).toBe(false);
    expect(wants(all, { agent_id: undefined, scopes: new Set(['changes:read', 'artifacts:read']) }, change)).toBe(
      false,
    );
  });

  test('shows columns only to those who ask', () => {
    expect(JSON.parse(textOf(change, true)).columns).toEqual(change.columns);
    expect(JSON.parse(textOf(change, false))).not.toHaveProperty('columns');
  });
});
