import type { NameServer, ResolvedEndpoints } from '@portolan/kernel';
import { type KernelObject, type ObjectBody, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { setLines } from '@portolan/render';

/** The name server of an agent without its thread: it holds what it is told, and forgets it with the process. */
export interface SimulatedNames extends NameServer {
  readonly objects: ReadonlyMap<string, ObservedObject>;
  restore(objects: readonly KernelObject[], found: ResolvedEndpoints['found']): void;
  /** The namespace of an endpoint is gone, and with it the sockets in it. */
  forgetClient(endpoint: string): void;
  clear(): void;
}

const kinds = ['dns-server', 'dns-name', 'dns-client'] as const;

/** `isAbsent`: whether the namespace of an endpoint is not there. */
export function simulatedNames(isAbsent: (endpoint: string) => boolean): SimulatedNames {
  const objects = new Map<string, ObservedObject>();

  function set(key: string, space: Space, body: ObjectBody | undefined): void {
    if (body === undefined) objects.delete(key);
    else objects.set(key, observedObject(space, body));
  }

  return {
    objects,
    change: async (text) => {
      const lines = setLines(text, kinds, 'dns');
      for (const { key, space, body } of lines) {
        const isServable = !space.startsWith('endpoint:') || !isAbsent(space.slice('endpoint:'.length));
        if (isServable || body === undefined) set(key, space, body);
      }
    },
    observed: (found) => [...objects.values()].filter(({ kind, space }) => kind !== 'dns-client' || space.slice('endpoint:'.length) in found),
    restore: (wanted, found) => {
      for (const { key, space, body } of wanted) {
        if (!kinds.some((kind) => kind === body.kind)) continue;
        if (!space.startsWith('endpoint:') || (space.slice('endpoint:'.length) in found && !isAbsent(space.slice('endpoint:'.length)))) set(key, space, body);
      }
    },
    forgetClient: (endpoint) => {
      for (const [key, { space }] of objects) if (space === `endpoint:${endpoint}`) objects.delete(key);
    },
    clear: () => objects.clear(),
  };
}
