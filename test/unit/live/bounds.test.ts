import { expect, test } from 'vitest';
import * as bounds from '../../../src/live/bounds.js';
import { MAX_CHANGES, MAX_WAIT_SECONDS } from '../../../src/live/schemas.js';
import { read } from '../repository/sources.js';

const grouped = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

test.each([
  `Every ${bounds.HEARTBEAT_SECONDS} s`,
  `| subscriptions of a socket | ${bounds.MAX_SUBSCRIPTIONS} `,
  `| sockets of a node that have brought no key yet | ${bounds.MAX_KEYLESS_SOCKETS}, `,
  `at most ${grouped(bounds.MAX_MESSAGE_BYTES)} bytes to the server`,
  `${grouped(bounds.MAX_UNREAD_BYTES)} bytes or ${grouped(bounds.MAX_UNREAD_MESSAGES)} messages`,
  `${bounds.PATIENCE_MS / 1000} s, then \`overflow\``,
  `(1 to ${grouped(MAX_CHANGES)}, default 100)`,
  `(0 to ${MAX_WAIT_SECONDS})`,
])('docs/live.md says the bound that the code has: %s', (bound) => {
  // However wide a formatter makes the columns of a table.
  expect(read('docs/live.md').replaceAll(/ +/g, ' ')).toContain(bound);
});
