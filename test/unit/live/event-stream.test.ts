import { describe, expect, test } from 'vitest';
import { MAX_UNREAD_BYTES } from '../../../src/live/bounds.js';
import { EventStream, eventText } from '../../../src/live/event-stream.js';

describe('server-sent events', () => {
  test('are written as the standard has them', () => {
    expect(eventText({ event: 'change', id: 'c1', data: '{"a":1}' })).toBe('event: change\nid: c1\ndata: {"a":1}\n\n');
    expect(eventText({ comment: 'heartbeat' })).toBe(': heartbeat\n\n');
    expect(eventText({ data: 'one\ntwo\r\nthree\rfour' })).toBe('data: one\ndata: two\ndata: three\ndata: four\n\n');
  });

  test('are read in order, to the last one written before the end', async () => {
    const stream = new EventStream(() => undefined);
    stream.write({ data: '1' });
    stream.write({ data: '2' });
    const reader = stream.body.getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('data: 1\n\ndata: 2\n\n');
    const waiting = reader.read();
    stream.write({ data: '3' });
    stream.end();
    stream.write({ data: '4' });
    expect(Buffer.from((await waiting).value ?? []).toString()).toBe('data: 3\n\n');
    expect((await reader.read()).done).toBe(true);
  });

  test('are bounded, and say when there is room again', async () => {
    const stream = new EventStream(() => undefined);
    while (!stream.full) stream.write({ data: 'x'.repeat(100_000) });
    let room = false;
    const waiting = stream.room().then(() => {
      room = true;
    });
    await Promise.resolve();
    expect(room).toBe(false);
    const { value } = await stream.body.getReader().read();
    expect(value?.byteLength).toBeGreaterThan(MAX_UNREAD_BYTES);
    await waiting;
    expect([room, stream.full]).toEqual([true, false]);
  });

  test('tell when the reader leaves', async () => {
    let left = false;
    const stream = new EventStream(() => {
      left = true;
    });
    await stream.body.cancel();
    expect(left).toBe(true);
  });
});
