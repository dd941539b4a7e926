// Writes the pages that are made from code. Run by `npm run docs`, after a build.
import { writeFile } from 'node:fs/promises';
import { errorsMarkdown } from '../dist/http/error-reference.js';

await writeFile(new URL('../docs/errors.md', import.meta.url), errorsMarkdown());
