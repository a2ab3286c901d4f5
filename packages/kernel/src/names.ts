import type { ObservedObject } from '@portolan/node-state';
import { setLines } from '@portolan/render';
import type { NameServer } from './ports.js';
import { afterLines } from './set-lines.js';
import { endpointIdOf } from './spaces.js';

/** Keeps what it is told and answers nobody: for a kernel that no name server belongs to, such as that of a purge. */
export function memoryOfNames(): NameServer {
  let objects = new Map<string, ObservedObject>();
  return {
    change: async (text) => {
      objects = afterLines(objects, setLines(text, ['dns-server', 'dns-name', 'dns-client'], 'dns'));
    },
    observed: (found) =>
      [...objects.values()].filter(({ space }) => {
        const id = endpointIdOf(space);
        return id === undefined || found[id] !== undefined;
      }),
  };
}
