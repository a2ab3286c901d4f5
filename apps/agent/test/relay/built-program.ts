import { join } from 'node:path';
import { built } from '../built.js';

/** The relay's program as one file in `folder`. Another `version` makes another file that does the same. */
export function builtProgram(folder: string, version = 'a'): Promise<string> {
  return built(new URL('../../src/relay/main.ts', import.meta.url), join(folder, `udp-relay-${version}.mjs`), version);
}
