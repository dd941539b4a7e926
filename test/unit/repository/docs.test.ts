import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/health/metrics.js';
import { MAX_IN_FLIGHT } from '../../../src/http/in-flight.js';
import {
  MAX_CONTENT_BYTES,
  MAX_DOCUMENT_BODY_BYTES,
  MAX_METADATA_BYTES,
  MAX_METADATA_DEPTH,
  MAX_PASSAGE_LENGTH,
  MAX_PASSAGES,
} from '../../../src/knowledge/schemas.js';
import { MAX_WORD_CHARS } from '../../../src/knowledge/words.js';
import { MAX_LIMIT, MAX_WINDOW } from '../../../src/search/schemas.js';
import { filesOf, ROOT_PATH, read } from './sources.js';

const PAGES = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...filesOf('docs', '.md')];
/** 16384 → `16 384`, as the README writes numbers. */
const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

describe.each(PAGES)('%s', (page) => {
  test('links to files that are there', () => {
    const targets = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
    expect(targets.filter((target) => !existsSync(join(ROOT_PATH, dirname(page), target)))).toEqual([]);
  });

  test('names files that are there', () => {
    const named = [...read(page).matchAll(/`((?:src|surql|test|docs|bench|eval|scripts)\/[\w./-]+)`/g)];
    const paths = named.map((match) => match[1] ?? '');
    expect(paths.filter((path) => !existsSync(join(ROOT_PATH, path)))).toEqual([]);
  });

  test('names scripts of package.json', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const named = [...read(page).matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? '');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

describe('the README', () => {
  test.each([
    `${grouped(MAX_CONTENT_BYTES)} bytes of content`,
    `${MAX_PASSAGES} passages`,
    `${grouped(MAX_METADATA_BYTES)} bytes of metadata in ${MAX_METADATA_DEPTH} levels`,
    `${grouped(MAX_PASSAGE_LENGTH)} characters each, words of ${grouped(MAX_WORD_CHARS)} characters`,
    `${MAX_LIMIT} hits a page, ${grouped(MAX_WINDOW)} in all pages`,
    `${grouped(MAX_DOCUMENT_BODY_BYTES)} bytes a line`,
    `${MAX_IN_FLIGHT} in flight`,
  ])('says the limit that the code has: %s', (limit) => {
    expect(read('README.md')).toContain(limit);
  });

  test('names only variables that .env.example has', () => {
    const known = read('.env.example');
    const named = new Set([...read('README.md').matchAll(/\b(?:ACERVO|SURREALDB|GEMINI)_[A-Z_]+\b/g)].map(String));
    expect([...named].filter((name) => !known.includes(`\n${name}=`))).toEqual([]);
  });
});

test('docs/operations.md lists the metrics that there are', () => {
  const metrics = createMetrics().registry.getMetricsAsArray();
  const own = metrics.map(({ name }) => name).filter((name) => name.startsWith('acervo_'));
  const listed = [...read('docs/operations.md').matchAll(/^\| `(acervo_\w+)`/gm)].map((match) => match[1]);
  expect(listed.toSorted()).toEqual(own.toSorted());
});
