import { describe, expect, test } from 'vitest';
import { CONNECTION, SUBSCRIPTION } from '../../../src/live/machine.js';
import { read } from '../repository/sources.js';

type Table = Record<string, Record<string, [string, string | undefined]>>;

/** The table under a heading of docs/live.md, as the code writes it. */
function documented(heading: string): Table {
  const [, section = ''] = read('docs/live.md').split(`### ${heading}\n`);
  const [header = '', , ...rows] = section.split('\n').filter((line) => line.startsWith('|'));
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const states = cells(header).slice(1);
  const table: Table = {};
  for (const row of rows) {
    const [event = '', ...nexts] = cells(row);
    if (!event.startsWith('`')) break;
    table[event.replaceAll('`', '')] = Object.fromEntries(
      nexts.flatMap((next, index) => {
        if (next === '') return [];
        const [to = '', says = ''] = next.split(' / ');
        return [[states[index], [to, says === '-' ? undefined : says]]];
      }),
    );
  }
  return table;
}

describe('the states of docs/live.md', () => {
  test('of a connection are those of the code', () => {
    expect(documented('The connection')).toEqual(CONNECTION);
  });

  test('of a subscription are those of the code', () => {
    expect(documented('A subscription')).toEqual(SUBSCRIPTION);
  });

  test('lead nowhere but to states that there are', () => {
    for (const [machine, states] of [
      [CONNECTION, ['connecting', 'authenticated', 'closed']],
      [SUBSCRIPTION, ['none', 'snapshot', 'catching_up', 'live', 'overflowed']],
    ] as const)
      for (const cells of Object.values(machine) as Table[string][])
        for (const [state, [next]] of Object.entries(cells))
          expect(states).toEqual(expect.arrayContaining([state, next]));
  });

  test('a closed connection stays closed, and nobody without a key leaves `connecting` but to the end', () => {
    for (const cells of Object.values(CONNECTION)) expect(cells.closed).toEqual(['closed', undefined]);
    const outs = Object.entries(CONNECTION).map(([event, cells]) => [event, cells.connecting?.[0]]);
    expect(outs.filter(([, next]) => next === 'authenticated')).toEqual([['accepted', 'authenticated']]);
  });

  test('every message of the server is told of in the document', () => {
    const said = new Set(
      [...Object.values(CONNECTION), ...Object.values(SUBSCRIPTION)].flatMap((cells) =>
        Object.values(cells).flatMap(([, says]) => says ?? []),
      ),
    );
    const [, section = ''] = read('docs/live.md').split('From the server:');
    const listed = [...(section.split('###')[0] ?? '').matchAll(/^\| `(\w+)`/gm)].map((match) => match[1]);
    expect(listed.filter((type) => type !== 'type').toSorted()).toEqual([...said].toSorted());
  });
});
