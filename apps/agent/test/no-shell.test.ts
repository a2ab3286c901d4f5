import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

// What runs on a host starts processes by vectors of arguments, without a shell that would read them.

const root = fileURLToPath(new URL('../../..', import.meta.url));
const rooms = ['packages/kernel/src', 'apps/agent/src', 'packages/store/src/queue', 'packages/store/src/etcd'];

/** Functions that take the program and its arguments apart. */
const withVector: ReadonlySet<string> = new Set(['spawn', 'spawnSync', 'execFile', 'execFileSync']);

/** A source without any of these has no fault, and need not be parsed. */
const suspicious = /child_process|shell|sh['"`]|busybox|system|popen|exec[lv]/;

/** How a source starts processes in a way that a shell, or nobody, reads. */
function faultsIn(file: string, text: string): readonly string[] {
  if (!suspicious.test(text)) return [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const faults: string[] = [];
  const fault = (node: ts.Node, what: string): void => {
    faults.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${what}`);
  };
  const starters = new Set<string>();

  function visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier) && /^(node:)?child_process$/.test(node.moduleSpecifier.text)) {
      const named = node.importClause?.namedBindings;
      if (named === undefined || !ts.isNamedImports(named)) fault(node, 'child_process as a whole');
      else
        for (const { name, propertyName, isTypeOnly } of named.elements) {
          const imported = (propertyName ?? name).text;
          if (isTypeOnly || node.importClause?.isTypeOnly === true) continue;
          if (withVector.has(imported)) starters.add(name.text);
          else fault(node, imported);
        }
    }
    if (ts.isCallExpression(node)) {
      const { expression } = node;
      const isLoading = expression.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(expression) && expression.text === 'require');
      if (isLoading && node.arguments.some((argument) => /child_process/.test(argument.getText()))) fault(node, 'child_process by name');
      if (ts.isIdentifier(expression) && starters.has(expression.text)) {
        const [, argv] = node.arguments;
        // A list that stands here, or the name of one; a text would be taken for the options.
        if (argv === undefined || !(ts.isArrayLiteralExpression(argv) || ts.isIdentifier(argv))) fault(node, 'no vector of arguments');
      }
    }
    if ((ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) && node.name.getText() === 'shell') fault(node, 'shell');
    if (ts.isStringLiteralLike(node) && /(^|\/)(sh|bash|dash|busybox)$/.test(node.text) && isProgram(node)) fault(node, `the program ${node.text}`);
    // libc is reached by name, too.
    if (ts.isStringLiteralLike(node) && /\b(system|popen|execl\w*|execvp\w*)\s*\(/.test(node.text))
      fault(node, 'a function of libc that searches or reads a command line');
    ts.forEachChild(node, visit);
  }
  visit(source);
  return faults;
}

/** A path, or the first of a list or of the arguments of a call. */
function isProgram(node: ts.StringLiteralLike): boolean {
  const { parent, text } = node;
  const among = ts.isArrayLiteralExpression(parent) ? parent.elements : ts.isCallExpression(parent) ? parent.arguments : [node];
  return text.includes('/') || among[0] === node;
}

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

describe('processes', () => {
  it('are started without a shell, everywhere on a host', () => {
    const sources = rooms.flatMap((room) => sourcesIn(join(root, room)));
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.flatMap((path) => faultsIn(relative(root, path), readFileSync(path, 'utf8')))).toEqual([]);
  });

  it.each([
    ["import { exec } from 'node:child_process';", 'exec'],
    ["import * as all from 'child_process';", 'child_process as a whole'],
    ["const { execSync } = await import('node:child_process');", 'child_process by name'],
    ["import { spawn } from 'node:child_process'; spawn('ls -l');", 'no vector of arguments'],
    ["import { spawn } from 'node:child_process'; spawn('ls', [], { shell: true });", 'shell'],
    ["import { spawn as start } from 'node:child_process'; start('ls', { cwd: '/' });", 'no vector of arguments'],
    ["run(['/bin/sh', '-c', text]);", 'the program /bin/sh'],
    ["library.func('int system(const char *command)');", 'a function of libc'],
  ])('%s is found', (text, what) => {
    expect(faultsIn('a.ts', text)).toEqual([expect.stringContaining(what)]);
  });
});
