import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = new URL('../../../', import.meta.url);
export const ROOT_PATH = fileURLToPath(ROOT);

/** A file of the repository, by its path from the root. */
export const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

/** Files under a folder with an ending, as paths from the root. */
export function filesOf(folder: string, ending: string): string[] {
  return readdirSync(fileURLToPath(new URL(`${folder}/`, ROOT)), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .toSorted();
}

/** A piece of text in code, and where it stands: `node` is the literal, or its template. */
export interface Literal {
  path: string;
  text: string;
  node: ts.Node;
}

/** All strings and pieces of templates of the files under `src`. Comments are none. */
export const SOURCE_FILES = filesOf('src', '.ts');
export const LITERALS: Literal[] = SOURCE_FILES.flatMap((path) => {
  const found: Literal[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isLiteralExpression(node) || ts.isTemplateMiddleOrTemplateTail(node) || ts.isTemplateHead(node))
      found.push({ path, text: node.text, node });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2023, true));
  return found;
});

/** What `import … from`, `export … from` and `import()` name in `src`. */
export const IMPORTS: Literal[] = LITERALS.filter(
  ({ node: { parent } }) =>
    ts.isImportDeclaration(parent) ||
    ts.isExportDeclaration(parent) ||
    (ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.ImportKeyword),
);

/** Is this the first argument of a call of a method with one of these names, or the property `query`? */
export function namesQuery({ node }: Literal): boolean {
  const { parent } = node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node && parent.name.getText() === 'query';
  if (!ts.isCallExpression(parent) || parent.arguments[0] !== node) return false;
  return ts.isPropertyAccessExpression(parent.expression) && ['query', 'text'].includes(parent.expression.name.text);
}
