import { describe, expect, test } from 'vitest';
import { read } from './sources.js';

interface Package {
  version: string;
  dev?: boolean;
  resolved?: string;
  license?: string;
  engines?: { node?: string };
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const manifest = JSON.parse(read('package.json'));
const lockText = read('package-lock.json');
const packages: [string, Package][] = Object.entries(JSON.parse(lockText).packages as Record<string, Package>).filter(
  ([path]) => path !== '',
);
const production = packages.filter(([, entry]) => !entry.dev);

const PERMISSIVE = ['MIT', 'Apache-2.0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0'];
const OLDEST_NODE = [20, 19] as const;
/** Says "Apache 2.0", not by the name that SPDX gives it; wants Node 22, but is Node-API and runs here on 20. */
const EXCEPTED = 'node_modules/usearch';

/** Does a range such as `^16 || ^18 || >=20.1` allow our oldest Node? @throws Error for a form that it does not know */
function allowsOldestNode(range: string): boolean {
  const [major, minor] = OLDEST_NODE;
  return range.split('||').some((part) => {
    const match = /^(>=|\^)?\s*v?(\d+)(?:\.(\d+|x))?(?:\.(?:\d+|x))?$/.exec(part.trim());
    if (match === null) throw new Error(`a range of another form: ${range}`);
    const [, sign, wantedMajor, wantedMinor] = match;
    const from = Number(wantedMinor === 'x' ? 0 : (wantedMinor ?? 0));
    if (major !== Number(wantedMajor)) return sign === '>=' && major > Number(wantedMajor);
    return minor >= from;
  });
}

describe('packages', () => {
  test('are pinned exactly', () => {
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(wanted.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([]);
  });

  test('come from whatever registry the user has: the lockfile names none', () => {
    expect(packages.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(lockText).not.toMatch(/"https?:\/\/[^"]*\.tgz"/);
  });

  test('stand in the lockfile for every platform, which `npm ci` insists on', () => {
    const known = new Set(
      packages.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)),
    );
    const wanted = packages.flatMap(([, entry]) =>
      Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }),
    );
    expect(wanted.filter((name) => !known.has(name))).toEqual([]);
  });

  test('of production run on the oldest Node that package.json allows', () => {
    expect(manifest.engines.node).toBe(`>=${OLDEST_NODE.join('.')}`);
    const refusing = production.filter(([, { engines }]) => engines?.node && !allowsOldestNode(engines.node));
    expect(refusing.map(([path, { engines }]) => `${path} ${engines?.node}`)).toEqual([`${EXCEPTED} >=22`]);
  });

  test('of production have permissive licences', () => {
    const others = production.filter(([, { license }]) => !PERMISSIVE.includes(license ?? 'none'));
    expect(others.map(([path, { license }]) => `${path} ${license}`)).toEqual([`${EXCEPTED} Apache 2.0`]);
  });
});
