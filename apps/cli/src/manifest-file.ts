import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { CommandFailure, exitCodes, type SourcePlace, usageFailure } from './failure.js';
import type { Terminal } from './terminal.js';

/** A document that a person wrote, with the way back from a JSON pointer to the line that it came from. */
export interface SourceDocument {
  readonly value: unknown;
  readonly locate: (pointer: string) => SourcePlace | undefined;
}

/** Reads `-` as standard input. YAML and JSON are told apart by themselves: JSON is YAML. */
export async function readSourceDocument(terminal: Terminal, file: string): Promise<SourceDocument> {
  if (file === '-') return parseSource('standard input', await terminal.readStandardInput());
  let text: string;
  try {
    text = readFileSync(resolve(terminal.directory, file), 'utf8');
  } catch (error) {
    throw new CommandFailure(
      exitCodes.usage,
      `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
      'Name a file with -f, or - for standard input.',
      [],
      {
        cause: error,
      },
    );
  }
  return parseSource(file, text);
}

export function parseSource(file: string, text: string): SourceDocument {
  // A JSON document of many megabytes is read by the fast parser; lines are only looked for when something is wrong.
  const fast = parseFast(text);
  if (fast !== undefined) {
    let slow: SourceDocument | undefined;
    return {
      value: fast,
      locate: (pointer) => {
        slow ??= parseWithLines(file, text);
        return slow.locate(pointer);
      },
    };
  }
  return parseWithLines(file, text);
}

function parseFast(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseWithLines(file: string, text: string): SourceDocument {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const placeAt = (offset: number): SourcePlace => {
    const { line, col } = counter.linePos(offset);
    return { file, line, column: col, text: text.split('\n', line)[line - 1]?.trimEnd() ?? '' };
  };
  const error = document.errors[0];
  if (error !== undefined) {
    const { line, column } = placeAt(error.pos[0]);
    if (error.code === 'MULTIPLE_DOCS') throw usageFailure(`${file}:${line}: a second document starts here`, 'Write the whole cluster as one document.');
    throw usageFailure(`${file}:${line}:${column}: ${error.message}`, 'Correct the YAML at that line.');
  }
  const value: unknown = document.toJS({ maxAliasCount: 10_000 });
  if (value === null || value === undefined) throw usageFailure(`${file} is empty`, 'Write at least one section: nodes, networks, services or endpoints.');
  return {
    value,
    locate: (pointer) => {
      const offset = offsetOf(document, pointer);
      return offset === undefined ? undefined : placeAt(offset);
    },
  };
}

/** Where the value at the pointer starts; its key where the value is a collection or missing; else the nearest thing around it. */
function offsetOf(document: Document, pointer: string): number | undefined {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    const at = isAlias(node) ? node.resolve(document) : node;
    if (isMap(at)) {
      const pair = at.items.find((item) => isScalar(item.key) && String(item.key.value) === name);
      if (pair === undefined) return offset;
      node = pair.value;
      offset = (isScalar(node) && node.value !== null ? startOf(node) : startOf(pair.key)) ?? offset;
    } else if (isSeq(at)) {
      node = at.items[Number(name)];
      if (node === undefined) return offset;
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
