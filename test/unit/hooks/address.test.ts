import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ForbiddenAddressError, faultOfUrl, guardedLookup, isPublicAddress } from '../../../src/hooks/address.js';
import { testEvent } from '../../../src/hooks/event.js';
import { Sender } from '../../../src/hooks/sender.js';
import { fakeServices } from '../http/fake-services.js';

/** First and last address of ranges that are nobody's on the internet; IANA's registries of special purposes. */
const FORBIDDEN_IPV4 = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
] as const;
const PUBLIC_IPV4 = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
]
  .concat(['128.0.0.1', '169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.167.255.255'])
  .concat(['192.169.0.0', '198.17.255.255', '198.20.0.0', '223.255.255.255', '93.184.216.34']);

const numberOf = (text: string) => text.split('.').reduce((number, part) => number * 256 + Number(part), 0);
const textOf = (number: number) => [24, 16, 8, 0].map((bits) => (number / 2 ** bits) & 255).join('.');
/** Ways to write an IPv4 address in IPv6, all of which a gateway or the machine may take for the IPv4 address. */
const embeddings = (ipv4: string) => {
  const number = numberOf(ipv4);
  const [high, low] = [Math.floor(number / 65_536).toString(16), (number % 65_536).toString(16)];
  return [
    `::ffff:${ipv4}`,
    `::ffff:${high}:${low}`,
    `0:0:0:0:0:ffff:${high}:${low}`,
    `::${ipv4}`,
    `::ffff:0:${high}:${low}`,
    `64:ff9b::${high}:${low}`,
    `64:ff9b:1::${high}:${low}`,
    `2002:${high}:${low}::1`,
    `2001:0:${high}:${low}::1`,
  ];
};

describe('addresses that hooks may be sent to', () => {
  test.each(PUBLIC_IPV4)('%s is one', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each(['2606:4700:4700::1111', '2a00:1450:4001:81b::200e', '2620:fe::fe'])('%s is one', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  test.each(FORBIDDEN_IPV4)('none from %s to %s is one, however it is written', (first, last) => {
    const inRange = fc.integer({ min: numberOf(first), max: numberOf(last) }).map(textOf);
    for (const edge of [first, last]) expect(isPublicAddress(edge)).toBe(false);
    fc.assert(
      fc.property(inRange, (address) => {
        expect([address, ...embeddings(address)].filter(isPublicAddress)).toEqual([]);
      }),
    );
  });

  test.each([
    ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fc00::1', 'fd00:ec2::254', 'fec0::1', 'ff02::1', '100::1'],
    ...['2001:db8::1', '2001:10::1', '2001:20::1', '3fff::1', '5f00::1', '4000::1', '168.63.129.16', '192.88.99.1'],
    ...['169.254.169.254', '100.100.100.200', 'nonsense', '', '1.1.1', '0x7f.1', '127.1'],
  ])('%s is none', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

describe('URLs of hooks', () => {
  test.each([
    ['https://example.com/hook?x=1', undefined],
    ['https://[2606:4700:4700::1111]:8443/', undefined],
    ['http://example.com/', 'must begin with https://'],
    ['ftp://example.com/', 'must begin with https://'],
    ['file:///etc/passwd', 'must begin with https://'],
    ['nonsense', 'is not a URL'],
    ['https://user:pass@example.com/', 'must hold no credentials'],
    ['https://example.com/#part', 'must have no fragment'],
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '017700000001', '[::1]', '[::ffff:127.0.0.1]', '127.0.0.1.']
      .concat(['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', '169.254.169.254', '１２７.0.0.1', '0'])
      .map((host): [string, string] => [`https://${host}/`, 'must lead to a public address']),
  ])('%s: %s', (url, fault) => {
    expect(faultOfUrl(url, false)).toBe(fault);
  });

  test('may lead anywhere, and by http, where that is allowed', () => {
    expect(faultOfUrl('http://127.0.0.1:99/', true)).toBeUndefined();
    expect(faultOfUrl('ftp://127.0.0.1/', true)).toBe('must begin with https://');
  });
});

describe('what a socket connects to', () => {
  const asked = (answers: string[][], allowPrivate = false) => {
    const lookup = guardedLookup(allowPrivate, (_host, _options, done) => {
      const addresses = (answers.shift() ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      done(null, addresses);
    });
    return (options: { all?: boolean } = {}) =>
      new Promise<unknown>((resolve, reject) =>
        lookup('name.example', options, (error, address, family) => {
          if (error) reject(error);
          else resolve(options.all ? address : [address, family]);
        }),
      );
  };

  test('is asked for two names at a time: one that is never answered takes a thread of the process', async () => {
    const answers = new Map<string, () => void>();
    const lookup = guardedLookup(false, (host, _options, done) => {
      answers.set(host, () => done(null, [{ address: '1.1.1.1', family: 4 }]));
    });
    const found = ['one', 'two', 'three'].map(
      (host) => new Promise<unknown>((resolve) => lookup(host, {}, (_error, address) => resolve(address))),
    );
    await setImmediate();
    expect([...answers.keys()]).toEqual(['one', 'two']);
    answers.get('two')?.();
    expect(await found[1]).toBe('1.1.1.1');
    await setImmediate();
    expect([...answers.keys()]).toEqual(['one', 'two', 'three']);
    for (const answer of answers.values()) answer();
    expect(await Promise.all(found)).toEqual(Array(3).fill('1.1.1.1'));
  });

  test('is what was checked: a name that is asked for again and leads elsewhere is refused then', async () => {
    const look = asked([['1.1.1.1'], ['127.0.0.1']]);
    expect(await look()).toEqual(['1.1.1.1', 4]);
    await expect(look()).rejects.toBeInstanceOf(ForbiddenAddressError);
  });

  test('is refused when any of its addresses is forbidden, and when there is none', async () => {
    const look = asked([['1.1.1.1', '10.0.0.1'], ['1.1.1.1', '::ffff:10.0.0.1'], [], ['1.1.1.1', '2606:4700::1']]);
    for (let n = 0; n < 3; n += 1) await expect(look({ all: true })).rejects.toBeInstanceOf(ForbiddenAddressError);
    expect(await look({ all: true })).toMatchObject([{ address: '1.1.1.1' }, { address: '2606:4700::1' }]);
  });

  test('may be private where that is allowed', async () => {
    expect(await asked([['127.0.0.1']], true)()).toEqual(['127.0.0.1', 4]);
  });

  test.each(['localhost', '127.0.0.1', '[::ffff:127.0.0.1]'])('never is this machine by %s', async (host) => {
    let connections = 0;
    const server = createServer((_request, response) => response.end()).on('connection', () => (connections += 1));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const event = testEvent('e', 'h', new Date());
    const { config, clock } = fakeServices();
    const never = new AbortController().signal;
    const outcome = async (allowPrivate: boolean) => {
      const sender = new Sender({ config: { ...config, hooks: { ...config.hooks, allowPrivate } }, clock });
      const attempt = await sender.send(`http://${host}:${port}/`, event, [Buffer.alloc(32)], never);
      sender.close();
      return attempt;
    };
    expect(await outcome(false)).toMatchObject({ delivered: false, error: 'address_forbidden' });
    expect(connections).toBe(0);
    if (host !== '[::ffff:127.0.0.1]') expect(await outcome(true)).toMatchObject({ delivered: true, status_code: 200 });
    server.close();
  });
});
