import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DCLinter } from 'dclint';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT_PATH, read } from './sources.js';

interface Service {
  image: string;
  build?: string;
  environment?: Record<string, string>;
  healthcheck?: { disable?: boolean; test?: string[] };
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  user?: string;
  restart: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
}

const text = read('docker-compose.yml');
const compose: { services: Record<string, Service> } = parse(text, { merge: true });
const services = Object.entries(compose.services);
const acervo = compose.services.acervo!;
const known = new Set([...read('.env.example').matchAll(/^([A-Z][A-Z0-9_]+)=/gm)].map((match) => match[1] ?? ''));
const dockerfile = read('Dockerfile');

/** Faults by the schema of the Compose specification, and by the linter's rules on ports and tags. */
function faultsOf(yaml: string): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-compose-'));
  const path = join(directory, 'docker-compose.yml');
  // Rules of style, such as the order of keys, are not ours; images built here have both `build` and `image`.
  const style = [
    'no-build-and-image',
    'service-keys-order',
    'services-alphabetical-order',
    'top-level-properties-order',
  ]
    .concat(['service-dependencies-alphabetical-order', 'no-quotes-in-volumes', 'require-quotes-in-ports'])
    .map((rule) => [rule, 0]);
  try {
    writeFileSync(path, yaml);
    const linter = new DCLinter({ rules: Object.fromEntries(style), quiet: true, debug: false, exclude: [] });
    const results: { messages: { message: string }[] }[] = linter.lintFiles([path], false);
    return results.flatMap(({ messages }) => messages.map(({ message }) => message));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('docker-compose.yml', () => {
  test('is a Compose file by the schema of the specification', () => {
    expect(faultsOf(text)).toEqual([]);
  });

  test.each([
    ['a key that no service has', text.replace('read_only', 'readonly'), /additional properties/],
    ['a condition that there is not', text.replace('service_healthy', 'service_ready'), /depends_on/],
    ['a port open to everybody', text.replace('"127.0.0.1:$', '"$'), /interface/],
    ['an image without a tag', text.replace(/minio\/minio:\S+/, 'minio/minio'), /tag/],
  ])('would not pass with %s', (_, broken, message) => {
    expect(faultsOf(broken)).toContainEqual(expect.stringMatching(message));
  });

  test('pins every image to a release, and its own to the version of package.json', () => {
    expect(services.map(([, { image }]) => image).filter((image) => !/:v?[\w.-]*\d[\w.-]*$/.test(image))).toEqual([]);
    expect(acervo.image).toBe(`acervo:${JSON.parse(read('package.json')).version}`);
    expect(/^ARG NODE_IMAGE=(.*)$/m.exec(dockerfile)?.[1]).toMatch(/^node:\d+\.\d+\.\d+-/);
  });

  test('gives no secret a default', () => {
    const secret = /(?:PASS|PASSWORD|KEY|TOKEN|ROOT_USER)(?:_ACERVO)?$/;
    const given = services.flatMap(([name, { environment = {} }]) =>
      Object.entries(environment).map(([variable, value]) => ({ variable: `${name}: ${variable}`, value })),
    );
    const secrets = given.filter(({ variable }) => secret.test(variable));
    expect(secrets.filter(({ value }) => !/^\$\{[A-Z_]+:\?[^}]+\}$/.test(value))).toEqual([]);
    expect(new Set(secrets.map(({ value }) => /[A-Z_]+/.exec(value)?.[0]))).toEqual(
      new Set(['ACERVO_ADMIN_KEY', 'SURREALDB_PASS', 'MINIO_ACCESS_KEY', 'MINIO_SECRET_KEY', 'MINIO_WEBHOOK_TOKEN']),
    );
  });

  test('watches the health of every service but the one-shot', () => {
    const watched = services.filter(([, { healthcheck, build }]) => {
      if (healthcheck !== undefined) return healthcheck.disable !== true && healthcheck.test?.[0] === 'CMD';
      return build !== undefined && /^HEALTHCHECK /m.test(dockerfile);
    });
    expect(services.length - watched.length).toBe(1);
    expect(compose.services.init).toMatchObject({ restart: 'no', healthcheck: { disable: true } });
  });

  test('starts acervo when its neighbours are healthy and init has done its work', () => {
    expect(acervo.depends_on).toEqual({
      surrealdb: { condition: 'service_healthy' },
      minio: { condition: 'service_healthy' },
      init: { condition: 'service_completed_successfully' },
    });
    expect(compose.services.init?.environment).toEqual(acervo.environment);
  });

  test('gives acervo variables that it knows, and the store the same webhook', () => {
    const variables = Object.keys(acervo.environment ?? {});
    expect(variables.filter((name) => !known.has(name))).toEqual([]);
    const { environment: store = {} } = compose.services.minio!;
    const id = acervo.environment?.MINIO_NOTIFY_ID;
    expect(store[`MINIO_NOTIFY_WEBHOOK_ENABLE_${id}`]).toBe('on');
    expect(store[`MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_${id}`]).toBe(acervo.environment?.MINIO_WEBHOOK_TOKEN);
    expect(store[`MINIO_NOTIFY_WEBHOOK_ENDPOINT_${id}`]).toBe(
      `http://acervo:${acervo.environment?.ACERVO_PORT}/api/minio-webhook`,
    );
    expect(store.MINIO_SITE_REGION).toBe(acervo.environment?.MINIO_REGION);
  });

  test('lets no service write outside of its volumes or gain rights, and opens two ports on this machine alone', () => {
    for (const [, service] of services)
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(services.filter(([, { ports }]) => ports !== undefined).map(([name]) => name)).toEqual(['minio', 'acervo']);
  });

  test('reads from .env what docs/operations.md puts there', () => {
    const wanted = [...text.matchAll(/\$\{([A-Z_]+):\?/g)].map((match) => match[1]);
    const made = [...read('docs/operations.md').matchAll(/^([A-Z_]+)=\$\(openssl rand -hex \d+\)$/gm)];
    expect(new Set(made.map((match) => match[1]))).toEqual(new Set(wanted));
  });
});

describe('the Dockerfile', () => {
  const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) => match[1]!.split(' '));

  test('copies what is there and what .dockerignore lets in', () => {
    const letIn = new Set([...read('.dockerignore').matchAll(/^!(.+)$/gm)].map((match) => match[1]));
    expect(new Set(sources)).toEqual(letIn);
    expect(sources.filter((path) => !existsSync(join(ROOT_PATH, path)))).toEqual([]);
  });

  test('runs as somebody else than root, and without a shell in between', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    expect(last).toMatch(/^USER node$/m);
    expect(JSON.parse(/^CMD (.*)$/m.exec(last)?.[1] ?? '')).toEqual(['node', 'dist/main.js']);
  });

  test('sets variables that acervo knows', () => {
    const set = [...dockerfile.matchAll(/\b(ACERVO_[A-Z_]+)=/g)].map((match) => match[1] ?? '');
    expect(set.filter((name) => !known.has(name))).toEqual([]);
  });
});
