import { z } from 'zod';
import { defineRoute, type Route } from '../http/route.js';
import { requireReady } from './ready.js';
import { healthReportSchema, reportHealth } from './report.js';

const reading = { method: 'GET', tag: 'health', bodyKind: 'none', maxBodyBytes: 0, write: false } as const;

export const healthRoutes: Route[] = [
  defineRoute({
    ...reading,
    path: '/livez',
    operationId: 'getLiveness',
    scope: 'public',
    summary: 'Is the process alive?',
    responses: { 200: { description: 'It is.', schema: z.object({ status: z.literal('alive') }) } },
    errors: [],
    handler: async () => ({ status: 200, body: { status: 'alive' } }),
  }),
  defineRoute({
    ...reading,
    path: '/readyz',
    operationId: 'getReadiness',
    scope: 'public',
    summary: 'May traffic be sent here?',
    description:
      'Asks the database, for at most 2 seconds; an unready node answers like every failure, with a problem.',
    responses: { 200: { description: 'Yes.', schema: z.object({ status: z.literal('ready') }) } },
    errors: ['database:unavailable'],
    handler: async (ctx) => ({ status: 200, body: await requireReady(ctx) }),
  }),
  defineRoute({
    ...reading,
    path: '/health',
    operationId: 'getHealth',
    scope: 'health:read',
    summary: 'What this node is and how it is doing',
    responses: { 200: { description: 'The report, of a degraded node too.', schema: healthReportSchema } },
    errors: [],
    handler: async (ctx) => ({ status: 200, body: await reportHealth(ctx) }),
  }),
  defineRoute({
    ...reading,
    path: '/metrics',
    operationId: 'getMetrics',
    scope: 'health:read',
    summary: 'Prometheus metrics',
    responses: { 200: { description: 'Text exposition format.', contentType: 'text/plain' } },
    errors: [],
    handler: async ({ metrics: { registry } }) => ({
      status: 200,
      body: await registry.metrics(),
      headers: { 'content-type': registry.contentType },
    }),
  }),
];
