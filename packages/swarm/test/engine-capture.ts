import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineDocuments } from '@portolan/swarm';

/** A real swarm of three nodes, Docker 20.10: `api` x3, and `web` x2 that is published on 8000. */
const capture = fileURLToPath(new URL('fixtures/capture', import.meta.url));

export function captured(directory = capture): EngineDocuments {
  const text = (file: string): string => readFileSync(join(directory, file), 'utf8');
  const files = readdirSync(directory).filter((file) => file.endsWith('.networks.json'));
  return {
    services: text('services.json'),
    tasks: text('tasks.json'),
    nodes: text('nodes.json'),
    networks: new Map(files.map((file) => [file.slice(0, -'.networks.json'.length), text(file)])),
  };
}
