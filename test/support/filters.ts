import fc from 'fast-check';

/** Values that meet each other often, and the corners where engines and JavaScript differ. */
const strings = fc.constantFrom('', 'a', 'b', 'ab', 'B', 'é', '1', 'a\u0000b', '\uffee', '😀', '2026-01-01T00:00:00Z');
const numbers = fc.constantFrom(0, -0, 1, -1, 1.5, 2, 1e7, 0.1, 2 ** 53, -(2 ** 53));
const hugeNumbers = fc.constantFrom(1e300, -1e300, 1e20, 2 ** 60);
const scalars = fc.oneof(strings, numbers, fc.boolean(), fc.constant(null));
const filterScalars = fc.oneof({ weight: 8, arbitrary: scalars }, { weight: 1, arbitrary: hugeNumbers });

const KEYS = ['a', 'b', 'x-y', 'id', 'in', 'value', 'length', 'select'] as const;
const keys = fc.constantFrom(...KEYS);
const instants = ['2025-12-31T23:59:59.999Z', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z'];
const ids = ['d1', 'd2', 'D3', '123', 'a.b-c_d'];

const { value: metadataValues } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalars,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

/** A document without its id: columns may be absent, metadata may be anything. */
export const documents = fc.record(
  {
    title: strings,
    language: fc.constantFrom('english', 'portuguese'),
    agent_id: fc.constantFrom('a1', 'a2', 'A1'),
    artifact_id: strings,
    embedding_status: fc.constantFrom('pending', 'complete'),
    created_at: fc.constantFrom(...instants),
    updated_at: fc.constantFrom(...instants),
    revision: fc.integer({ min: 1, max: 3 }),
    metadata: fc.dictionary(keys, metadataValues, { maxKeys: 5, noNullPrototype: true }),
  },
  { requiredKeys: ['created_at', 'revision', 'metadata'], noNullPrototype: true },
);

const stringOperands = fc.oneof(strings, fc.constantFrom('a1', 'A1', 'english', 'pending', ...ids));
const instantOperands = fc.constantFrom(
  ...instants,
  '1960-05-05T05:05:05.500Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '2026-01-01T01:00:00.001+01:00',
  '2026-01-01T00:00:00.000999Z',
);
const revisionOperands = fc.integer({ min: 0, max: 4 });

function operators(values: fc.Arbitrary<unknown>, ordered: fc.Arbitrary<unknown>, contained?: fc.Arbitrary<unknown>) {
  const list = fc.array(values, { minLength: 1, maxLength: 4 });
  const one = (name: string, operand: fc.Arbitrary<unknown>) => operand.map((value) => ({ [name]: value }));
  const all = [
    ...['$eq', '$ne'].map((name) => one(name, values)),
    ...['$gt', '$gte', '$lt', '$lte'].map((name) => one(name, ordered)),
    ...['$in', '$nin'].map((name) => one(name, list)),
    one('$exists', fc.boolean()),
    ...(contained === undefined ? [] : [one('$contains', contained)]),
  ];
  const several = fc.array(fc.oneof(...all), { minLength: 1, maxLength: 2 });
  return fc.oneof(
    { weight: 1, arbitrary: values },
    { weight: 4, arbitrary: several.map((members) => Object.assign({}, ...members)) },
  );
}

const metadataPaths = fc
  .array(keys, { minLength: 1, maxLength: 3 })
  .map((segments) => ['metadata', ...segments].join('.'));
const ordered = fc.oneof(strings, numbers, hugeNumbers);
const conditions = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(metadataPaths, operators(filterScalars, ordered, filterScalars)) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constantFrom('id', 'title', 'language', 'agent_id', 'artifact_id', 'embedding_status'),
      operators(stringOperands, stringOperands, stringOperands),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('created_at', 'updated_at'), operators(instantOperands, instantOperands)),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant('revision'), operators(revisionOperands, revisionOperands)) },
);
const plainObjects = fc.array(conditions, { maxLength: 2 }).map((entries) => Object.fromEntries(entries));

/** Filters as a client writes them: every operator, over every kind of path. All of them are valid. */
export const { filter: filterInputs } = fc.letrec<{ filter: Record<string, unknown> }>((tie) => {
  const members = fc.array(tie('filter'), { minLength: 1, maxLength: 3 });
  const group = fc.oneof(
    members.map(($and) => ({ $and })),
    members.map(($or) => ({ $or })),
    tie('filter').map(($not) => ({ $not })),
  );
  return {
    filter: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      plainObjects,
      fc.tuple(fc.oneof(fc.constant({}), plainObjects), group).map(([plain, of]) => ({ ...plain, ...of })),
    ),
  };
});

/** A few documents with distinct ids. */
export const collections = fc
  .tuple(fc.subarray(ids, { minLength: 1 }), fc.array(documents, { minLength: ids.length, maxLength: ids.length }))
  .map(([chosen, bodies]) => chosen.map((id, index) => ({ id, ...bodies[index]! })));
