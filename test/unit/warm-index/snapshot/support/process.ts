import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../../../../..');
const WRITER = join(HERE, 'writer.mjs');
const OPTIONS = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };

/** Compiles what a process of its own runs, as it stands in src now, into a directory that any user can read. */
export function compileSnapshots(into: string): string {
  const modules = join(into, 'modules');
  mkdirSync(join(modules, 'snapshot'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(modules, 'node_modules'));
  writeFileSync(join(modules, 'package.json'), '{"type":"module"}');
  const source = join(ROOT, 'src/warm-index/snapshot');
  for (const name of readdirSync(source)) {
    const { outputText } = ts.transpileModule(readFileSync(join(source, name), 'utf8'), { compilerOptions: OPTIONS });
    writeFileSync(join(modules, 'snapshot', name.replace(/ts$/, 'js')), outputText);
  }
  chmodSync(into, 0o755);
  return modules;
}

type Task = 'loop' | 'write' | 'read';
type Child = ChildProcessByStdio<null, Readable, null>;

/** Starts support/writer.mjs. */
export function startWriter(modules: string, dir: string, task: Task, options: { uid?: number } = {}): Child {
  const child = spawn(process.execPath, [WRITER, modules, dir, task], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  return child;
}

/** @returns what it printed */
export async function runWriter(...given: Parameters<typeof startWriter>): Promise<string> {
  return await text(startWriter(...given).stdout);
}

/** The same where no file may be longer than so many KiB. @returns what it printed */
export async function runWithin(kib: number, modules: string, dir: string, task: Task): Promise<string> {
  const command = `ulimit -f ${kib}; exec "$@"`;
  const child = spawn('bash', ['-c', command, 'bash', process.execPath, WRITER, modules, dir, task], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return await text(child.stdout);
}
