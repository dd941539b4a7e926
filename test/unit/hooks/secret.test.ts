import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { verifyHook } from '../../../src/client/index.js';
import { secretText, signedHeaders, signingSecrets } from '../../../src/hooks/secret.js';

const installation = Buffer.alloc(32, 7);
const now = new Date('2026-01-02T03:04:05.600Z');
const timestampSeconds = Math.floor(now.getTime() / 1000);
const hook = { id: '01890a5d-ac96-774b-bcce-b302099a8057', secret_generation: 1 };
const body = JSON.stringify({ type: 'knowledge.created', timestamp: now.toISOString(), data: { id: 'é€😀' } });
const id = '2026-01-02T03:04:05.123456789Z_01890a5d-ac96-774b-bcce-b302099a8057';
const headersNow = () => {
  const sent = new Date();
  return signedHeaders(signingSecrets(installation, hook, sent), {
    ...{ id, body },
    timestampSeconds: Math.floor(sent.getTime() / 1000),
  });
};

describe('signatures', () => {
  test('are those of the published vector of Standard Webhooks', async () => {
    const secret = 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const vector = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestampSeconds: 1614265330, body: '{"test": 2432232314}' };
    const headers = signedHeaders([Buffer.from(secret, 'base64')], vector);
    expect(headers).toEqual({
      'webhook-id': vector.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
    const sentAt = new Date(vector.timestampSeconds * 1000);
    expect(await verifyHook(`whsec_${secret}`, headers, vector.body, { now: sentAt })).toEqual({ test: 2432232314 });
  });

  test('are verified by the reference library, and it signs the same', () => {
    const webhook = new Webhook(secretText(installation, hook));
    expect(webhook.verify(body, headersNow())).toEqual(JSON.parse(body));
    const signed = signedHeaders(signingSecrets(installation, hook, now), { id, timestampSeconds, body });
    expect(signed['webhook-signature']).toBe(webhook.sign(id, now, body));
  });

  test('are two while the secret before is good, and either verifies', async () => {
    const rotated = { ...hook, secret_generation: 2, previous_secret_until: new Date(now.getTime() + 1000) };
    const headers = signedHeaders(signingSecrets(installation, rotated, now), { id, timestampSeconds, body });
    expect(headers['webhook-signature'].split(' ')).toHaveLength(2);
    for (const known of [hook, rotated])
      expect(await verifyHook(secretText(installation, known), headers, body, { now })).toEqual(JSON.parse(body));
    const later = signingSecrets(installation, rotated, new Date(now.getTime() + 1000));
    expect(later).toHaveLength(1);
    const after = signedHeaders(later, { id, timestampSeconds, body });
    await expect(verifyHook(secretText(installation, hook), after, body, { now })).rejects.toMatchObject({
      code: 'client:hook_signature',
    });
  });

  test('have secrets that differ between hooks, generations and installations', () => {
    const texts = [
      secretText(installation, hook),
      secretText(installation, { ...hook, secret_generation: 2 }),
      secretText(installation, { ...hook, id: 'other' }),
      secretText(Buffer.alloc(32, 8), hook),
    ];
    expect(new Set(texts).size).toBe(4);
    for (const text of texts) expect(Buffer.from(text.replace(/^whsec_/, ''), 'base64')).toHaveLength(32);
  });
});

describe('verifyHook', () => {
  const secret = secretText(installation, hook);
  const headers = signedHeaders(signingSecrets(installation, hook, now), { id, timestampSeconds, body });

  test('takes headers of Node, of fetch, and bytes', async () => {
    expect(await verifyHook(secret, new Headers(headers), Buffer.from(body), { now })).toEqual(JSON.parse(body));
    expect(await verifyHook(secret, headersNow(), body)).toEqual(JSON.parse(body));
  });

  test.each([
    ['another body', secret, headers, `${body} `, now],
    ['another id', secret, { ...headers, 'webhook-id': 'x' }, body, now],
    ['another time', secret, { ...headers, 'webhook-timestamp': String(timestampSeconds + 1) }, body, now],
    ['a time that is none', secret, { ...headers, 'webhook-timestamp': 'soon' }, body, now],
    ['no signature', secret, { ...headers, 'webhook-signature': undefined }, body, now],
    ['nonsense for signatures', secret, { ...headers, 'webhook-signature': 'v1,### v1 v2,AAAA' }, body, now],
    [
      'the signature of another scheme',
      secret,
      { ...headers, 'webhook-signature': headers['webhook-signature'].replace('v1,', 'v1a,') },
      body,
      now,
    ],
    ['another secret', secretText(installation, { ...hook, id: 'other' }), headers, body, now],
    ['no secret', 'whsec_', headers, body, now],
    ['a secret that is none', 'whsec_###', headers, body, now],
    ['an old request', secret, headers, body, new Date(now.getTime() + 301_000)],
    ['one from the future', secret, headers, body, new Date(now.getTime() - 301_000)],
  ])('refuses %s', async (_what, given, sent, text, at) => {
    await expect(verifyHook(given, sent, text, { now: at })).rejects.toMatchObject({ code: 'client:hook_signature' });
  });
});
