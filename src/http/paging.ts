import { z } from 'zod';

/** What pages by cursor take. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(2000).optional(),
};

/** What lists take. @param over what may be filtered */
export const listQuery = (over: string) => ({
  filter: z
    .string()
    .max(20_000)
    .optional()
    .meta({ description: `A filter as in search, as JSON, over ${over}.` }),
  order: z.enum(['asc', 'desc']).default('asc').meta({ description: 'By id; ids made here rise with time.' }),
  ...pageQuery,
});

export const FILTER_ERRORS = ['filter:invalid', 'filter:unknown_path', 'filter:unknown_operator'] as const;
export const CURSOR_ERRORS = ['cursor:invalid', 'cursor:expired'] as const;
