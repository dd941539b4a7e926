import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FullAuditRow } from '../../../src/audit/list-rows.js';
import { encodeFields, leafData } from '../../../src/audit/seal/leaf.js';
import { packLeaves, unpackLeaves } from '../../../src/audit/seal/leaves.js';
import { inclusionPath, leafHash, merkleRoot, rootOfPath } from '../../../src/audit/seal/merkle.js';
import { idOfPlace, placeOfId } from '../../../src/audit/seal/place.js';
import { hashOfSeal, makeSeal, NO_HASH, openSeal, type Seal, skipOf } from '../../../src/audit/seal/seal.js';
import { verifyFiles } from '../../../src/audit/seal/verify-files.js';
import { faultOfProof, type Proof } from '../../../src/audit/seal/verify-proof.js';

/** The test data of Certificate Transparency for RFC 6962: the roots over the first 1 to 8 of these leaves. */
const RFC_LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const RFC_ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
};

describe('the Merkle tree', () => {
  it('has the roots of RFC 6962', () => {
    const leaves = RFC_LEAVES.map((hex) => leafHash(Buffer.from(hex, 'hex')));
    const roots = RFC_ROOTS.map((_, n) => merkleRoot(leaves.slice(0, n + 1)).toString('hex'));
    expect(roots).toEqual(RFC_ROOTS);
    expect(merkleRoot([]).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  const tree = fc
    .tuple(fc.array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 70 }), fc.nat())
    .map(([data, n]) => ({ leaves: data.map((bytes) => leafHash(Buffer.from(bytes))), index: n % data.length }));

  it('gives each leaf a path that leads to the root', () => {
    fc.assert(
      fc.property(tree, ({ leaves, index }) => {
        const path = inclusionPath(leaves, index);
        expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(leaves.length)));
        expect(rootOfPath(leaves[index]!, index, leaves.length, path)).toEqual(merkleRoot(leaves));
      }),
    );
  });

  it('leads elsewhere when any bit of leaf or path is another, or a hash too many or too few', () => {
    fc.assert(
      fc.property(tree, fc.nat(255), fc.nat(), ({ leaves, index }, bit, n) => {
        const [leaf, size, root] = [leaves[index]!, leaves.length, merkleRoot(leaves)];
        const path = inclusionPath(leaves, index);
        expect(rootOfPath(flipped(leaf, bit), index, size, path)).not.toEqual(root);
        expect(rootOfPath(leaf, index, size, [...path, leaf])).toBeUndefined();
        if (path.length === 0) return;
        expect(rootOfPath(leaf, index, size, path.slice(1))).toBeUndefined();
        const changed = path.map((hash, at) => (at === n % path.length ? flipped(hash, bit) : hash));
        expect(rootOfPath(leaf, index, size, changed)).not.toEqual(root);
      }),
    );
  });

  it.each([
    [-1, 3],
    [3, 3],
    [0.5, 3],
    [0, 0],
    [0, Number.NaN],
  ])('knows no leaf %s of %s', (index, size) => {
    expect(rootOfPath(leafHash(Buffer.alloc(0)), index, size, [])).toBeUndefined();
  });
});

const field = fc.oneof(fc.constant(undefined), fc.string({ unit: 'binary' }), fc.integer());
const optional = fc.option(fc.string(), { nil: undefined });
const uuid = fc.uuid();
const nanos = fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n });
const anyRow: fc.Arbitrary<FullAuditRow> = fc
  .record({
    place: fc.record({ nanos, uuid }),
    action: fc.constantFrom('CREATE' as const, 'UPDATE' as const),
    status: fc.constantFrom('SUCCESS' as const, 'DENIED' as const),
    resource: fc.string(),
    revision: fc.option(fc.nat(), { nil: undefined }),
    agent_id: optional,
    key_id: optional,
    request_id: optional,
    code: optional,
    old_digest: optional,
    new_digest: optional,
  })
  .map(({ place, ...rest }) => {
    const id = idOfPlace(place);
    return { ...rest, id, timestamp: id.slice(0, id.indexOf('_')) } as FullAuditRow;
  });

describe('the encoding of a row', () => {
  it('gives different bytes to different lists', () => {
    fc.assert(
      fc.property(fc.array(field), fc.array(field), (a, b) => {
        const same = a.length === b.length && a.every((value, n) => Object.is(value, b[n]));
        expect(encodeFields(a).equals(encodeFields(b))).toBe(same);
      }),
    );
  });

  it('keeps borders and kinds of fields apart', () => {
    const lists = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', ''], ['abc', undefined], ['1'], [1], [''], [undefined]];
    expect(new Set(lists.map((list) => encodeFields(list).toString('hex'))).size).toBe(lists.length);
  });

  it('does not care how a time is written', () => {
    const row = { action: 'READ', status: 'SUCCESS', resource: 'x' } as const;
    const uuidText = '01900000-0000-7000-8000-00000000000a';
    const ways = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z', '2026-01-01T01:00:00.000000000+01:00'];
    const written = ways.map((time) =>
      leafData({ ...row, id: `${time}_${uuidText}`, timestamp: time }).toString('hex'),
    );
    expect(new Set(written).size).toBe(1);
  });

  it('covers every column', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (row, other) => {
        for (const [column, value] of Object.entries(other)) {
          const changed = { ...row, [column]: value };
          const same = value === row[column as keyof FullAuditRow];
          expect(leafData(changed).equals(leafData(row)), column).toBe(same);
        }
      }),
    );
  });
});

describe('the list of leaves', () => {
  it('comes out as it went in', () => {
    const leaf = fc.record({
      place: fc.record({ nanos, uuid }),
      hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(leaf), (leaves) => {
        const packed = packLeaves(leaves);
        expect(packed.length).toBe(56 * leaves.length);
        expect(unpackLeaves(packed)).toEqual(leaves);
      }),
    );
  });

  it('writes ids as rows have them', () => {
    const ids = ['2026-01-01T00:00:00.000Z_x', '2026-01-01T00:00:00.5Z_x', '2026-01-01T00:00:00.000000001Z_x'];
    expect(ids.map((id) => idOfPlace(placeOfId(id)))).toEqual(ids);
  });
});

const START = Date.parse('2026-01-01T00:00:00Z');
const rowAt = (n: number): FullAuditRow => {
  const timestamp = new Date(START + n * 60_000).toISOString();
  const id = `${timestamp}_01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  return { id, timestamp, action: 'UPDATE', status: 'SUCCESS', resource: `knowledge:d${n}`, revision: n };
};

/** A chain over rows, so many a seal. */
function chainOf(rows: FullAuditRow[], size: number) {
  const made: { seal: Seal; leaves: Buffer }[] = [];
  for (let at = 0; at < rows.length; at += size) {
    const previous = made.at(-1)?.seal;
    const skipHash = made[skipOf(made.length + 1) - 1]?.seal.hash ?? NO_HASH;
    made.push(makeSeal(rows.slice(at, at + size), { previous, skipHash, sealedAt: '2026-01-02T00:00:00Z' }));
  }
  return made;
}

describe('a seal', () => {
  const [made] = chainOf([0, 1, 2].map(rowAt), 3);
  const { seal, leaves } = made!;

  it('opens as it was made', () => {
    expect(openSeal(seal, leaves)).toEqual({ unchanged: true, leaves: unpackLeaves(leaves) });
    expect(seal).toMatchObject({ number: 1, row_count: 3, late: false, previous_hash: NO_HASH, first_id: rowAt(0).id });
  });

  it.each(Object.keys(seal) as (keyof Seal)[])('covers its %s', (name) => {
    const value = seal[name];
    const other = typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${value}x`;
    expect(openSeal({ ...seal, [name]: other } as Seal, leaves).unchanged).toBe(false);
  });

  it('covers every bit of its list of leaves', () => {
    for (let bit = 0; bit < leaves.length * 8; bit += 1)
      expect(openSeal(seal, flipped(leaves, bit)).unchanged).toBe(false);
  });

  it('is late when its rows come before what is sealed', () => {
    const next = makeSeal([rowAt(1)], { previous: seal, skipHash: NO_HASH, sealedAt: 'x' }).seal;
    expect(next).toMatchObject({ number: 2, late: true, sealed_through: seal.sealed_through });
  });
});

describe('a proof', () => {
  const rows = Array.from({ length: 40 }, (_, n) => rowAt(n));
  const chain = chainOf(rows, 3).map(({ seal }) => seal);
  const hashesOf = (seal: Seal) =>
    rows.slice((seal.number - 1) * 3, seal.number * 3).map((row) => leafHash(leafData(row)));

  const proofOf = (n: number): Proof => {
    const holder = chain[Math.floor(n / 3)]!;
    const leaves = hashesOf(holder);
    const seals = [chain.at(-1)!];
    while (seals[0]!.number > holder.number) {
      const skip = skipOf(seals[0]!.number);
      seals.unshift(chain[(skip >= holder.number ? skip : seals[0]!.number - 1) - 1]!);
    }
    return {
      row: rows[n]!,
      leaf: leaves[n % 3]!.toString('hex'),
      index: n % 3,
      path: inclusionPath(leaves, n % 3).map((hash) => hash.toString('hex')),
      root: holder.root,
      seals,
    };
  };
  const newest = chain.at(-1)!.hash;

  it('is checked with the root of its seal, or with the newest hash alone', () => {
    for (const n of rows.keys()) {
      const proof = proofOf(n);
      expect(proof.seals.length).toBeLessThan(chain.length);
      expect(faultOfProof(proof, newest)).toBeUndefined();
      expect(faultOfProof(proof, proof.root.toUpperCase())).toBeUndefined();
    }
  });

  it.each<[string, (proof: Proof) => Proof, RegExp]>([
    ['another row', (proof) => ({ ...proof, row: { ...proof.row, resource: 'knowledge:other' } }), /row is not/],
    ['a row without an id', (proof) => ({ ...proof, row: { ...proof.row, id: 'x' } }), /row is not/],
    [
      'a leaf of its own',
      (proof) => {
        const row = { ...proof.row, revision: 99 };
        return { ...proof, row, leaf: leafHash(leafData(row)).toString('hex') };
      },
      /path does not/,
    ],
    ['another place', (proof) => ({ ...proof, index: 2 }), /path does not/],
    ['another path', (proof) => ({ ...proof, path: proof.path.toReversed() }), /path does not/],
    ['another root', (proof) => ({ ...proof, root: NO_HASH }), /path does not/],
    ['no seal', (proof) => ({ ...proof, seals: [] }), /no seal/],
    [
      'a seal that was changed',
      (proof) => ({
        ...proof,
        seals: proof.seals.map((seal) => ({ ...seal, sealed_at: 'x' })),
      }),
      /not as it was made/,
    ],
    ['a seal left out', (proof) => ({ ...proof, seals: [proof.seals[0]!, proof.seals.at(-1)!] }), /do not follow/],
    [
      'a seal of its own',
      (proof) => {
        const forged = { ...proof.seals.at(-1)!, sealed_at: 'x' };
        return { ...proof, seals: [...proof.seals.slice(0, -1), { ...forged, hash: hashOfSeal(forged) }] };
      },
      /was published/,
    ],
  ])('is refused with %s', (_, change, fault) => {
    expect(faultOfProof(change(proofOf(4)), newest)).toMatch(fault);
  });

  it('is refused for a hash that was not published', () => {
    expect(faultOfProof(proofOf(4), 'ab'.repeat(32))).toMatch(/was published/);
  });
});

describe('exports', () => {
  const rows = Array.from({ length: 40 }, (_, n) => rowAt(n));
  const chain = chainOf(rows, 3);
  const sealLines = chain.map(({ seal, leaves }) => JSON.stringify({ ...seal, leaves: leaves.toString('base64') }));
  const rowLines = rows.map((row) => JSON.stringify(row));
  const without = (lines: string[], n: number) => lines.filter((_, at) => at !== n);

  it('are verified without a database, in any order of rows', async () => {
    const newer = JSON.stringify(rowAt(41));
    const report = await verifyFiles([newer, ...rowLines.toReversed(), ''], sealLines);
    expect(report).toEqual({
      ok: true,
      seals: 14,
      rows: 41,
      late_rows: 0,
      unsealed_rows: 1,
      faults: [],
      truncated: false,
      head: { number: 14, hash: chain.at(-1)!.seal.hash },
    });
  });

  it.each<[string, string[], string[], object[]]>([
    [
      'a changed row',
      [...without(rowLines, 7), JSON.stringify({ ...rowAt(7), key_id: 'k' })],
      sealLines,
      [{ kind: 'changed', seal: 3, row: rowAt(7).id }],
    ],
    [
      'a row without a time',
      [...without(rowLines, 7), JSON.stringify({ ...rowAt(7), timestamp: 'x' })],
      sealLines,
      [{ kind: 'changed', seal: 3, row: rowAt(7).id }],
    ],
    ['a missing row', without(rowLines, 7), sealLines, [{ kind: 'missing', seal: 3, row: rowAt(7).id }]],
    ['a row twice', [...rowLines, rowLines[7]!], sealLines, [{ kind: 'inserted', row: rowAt(7).id }]],
    ['a seal left out', rowLines, without(sealLines, 4), [{ kind: 'chain_broken', seal: 5 }]],
    [
      'a changed seal',
      rowLines,
      sealLines.map((line, n) => (n === 4 ? line.replace('"row_count":3', '"row_count":4') : line)),
      [{ kind: 'seal_changed', seal: 5 }],
    ],
  ])('tell %s', async (_, rowsOf, sealsOf, faults) => {
    expect((await verifyFiles(rowsOf, sealsOf)).faults).toEqual(faults);
  });

  it('tell a part that was made anew: the seal after it does not follow', async () => {
    const forged = chainOf([...rows.slice(0, 7), { ...rowAt(7), key_id: 'k' }, rowAt(8)], 3)[2]!;
    const line = JSON.stringify({ ...forged.seal, leaves: forged.leaves.toString('base64') });
    const report = await verifyFiles(
      [...without(rowLines, 7), JSON.stringify({ ...rowAt(7), key_id: 'k' })],
      sealLines.map((known, n) => (n === 2 ? line : known)),
    );
    expect(report.faults).toEqual([{ kind: 'chain_broken', seal: 4 }]);
  });

  it('say which line cannot be read', async () => {
    await expect(verifyFiles([rowLines[0]!, '{'], sealLines)).rejects.toThrow('Line 2 of the rows cannot be read.');
    await expect(verifyFiles([], ['{}'])).rejects.toThrow('Line 1 of the seals cannot be read.');
  });
});
