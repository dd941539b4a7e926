import { type LookupAddress, lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import pLimit from 'p-limit';

/** Of all IPv6 addresses only these are handed out for use on the internet (RFC 4291, section 2.4). */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** Public by its range, and yet a service of the cloud's own for the machines in it (Azure). */
const CLOUD_SERVICES = ['168.63.129.16'];

/**
 * Look-ups at a time. Each takes one of the four threads of libuv for as long as the name server is silent, and files and
 * all other look-ups of the process need those, too.
 */
const MAX_LOOKUPS = 2;

/** An address that hooks may not be sent to, or a name that leads to one. */
export class ForbiddenAddressError extends Error {}

/**
 * Is this an address on the internet: not loopback, private, link-local (and with it metadata services), shared (CGNAT),
 * multicast, reserved, or one that carries an IPv4 address for a gateway to unpack (mapped, 6to4, Teredo, NAT64)?
 * By the special-purpose registries of IANA (RFC 6890), as ipaddr.js has them.
 */
export function isPublicAddress(text: string): boolean {
  if (isIP(text) === 0 || text.includes('%')) return false;
  const address = ipaddr.process(text);
  if (address instanceof ipaddr.IPv6) return address.range() === 'unicast' && address.match(GLOBAL_IPV6);
  return address.range() === 'unicast' && !CLOUD_SERVICES.includes(address.toString());
}

/** The address that a URL names in place of a host, else undefined. `URL` has turned other ways to write it into one. */
export function literalAddress({ hostname }: URL): string | undefined {
  const host = hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? undefined : host;
}

/** Resolves as the system does; tests bring another one. */
type Resolve = (
  host: string,
  options: { all: true; family: number },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A `lookup` for sockets that gives only addresses which may be connected to. The socket connects to just what was
 * checked here: there is no second look-up that could answer otherwise (DNS rebinding). A name of which any address is
 * forbidden is forbidden altogether.
 */
export function guardedLookup(allowPrivate: boolean, resolveHost: Resolve = resolve): LookupFunction {
  const fewAtATime = pLimit(MAX_LOOKUPS);
  return (host, options, done) => {
    const family = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0);
    const answered = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => {
      if (error) return done(error, '');
      const forbidden = !allowPrivate && addresses.some(({ address }) => !isPublicAddress(address));
      const [first] = addresses;
      if (forbidden || first === undefined) return done(new ForbiddenAddressError('forbidden address'), '');
      if (options.all) done(null, addresses);
      else done(null, first.address, first.family);
    };
    void fewAtATime(
      () =>
        new Promise<void>((resolve) => {
          resolveHost(host, { all: true, family }, (error, addresses) => {
            resolve();
            answered(error, addresses);
          });
        }),
    );
  };
}

/** Names that lead to this machine by definition (RFC 6761, section 6.3). */
const LOCAL_NAME = /(^|\.)localhost\.?$/;

/**
 * What is wrong with a URL to send hooks to; undefined when nothing is that can be seen without asking for its name.
 * What the name leads to is checked whenever a socket is opened.
 */
export function faultOfUrl(text: string, allowPrivate: boolean): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return 'is not a URL';
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return 'must begin with https://';
  if (url.username !== '' || url.password !== '') return 'must hold no credentials';
  if (url.hash !== '') return 'must have no fragment';
  if (allowPrivate) return undefined;
  const literal = literalAddress(url);
  const isPublic = literal === undefined ? !LOCAL_NAME.test(url.hostname) : isPublicAddress(literal);
  return isPublic ? undefined : 'must lead to a public address';
}
