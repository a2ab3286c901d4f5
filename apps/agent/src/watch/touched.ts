import type { KernelObject, NodeState, ObjectKind, VipProbe } from '@portolan/node-state';
import type { Step } from '@portolan/plan';
import { keyOfStep } from '../steps.js';

/** They tell of single peers and names; no VIP goes by them that has not also a real server of its own there. */
const ofPeers: ReadonlySet<ObjectKind> = new Set<ObjectKind>(['neighbour', 'fdb', 'dns-name', 'dns-client', 'dns-server', 'dns-redirect']);

type Mark = KernelObject<Extract<KernelObject['body'], { kind: 'mark' }>>;

function isMark(object: KernelObject): object is Mark {
  return object.body.kind === 'mark';
}

function entranceOf({ space, address, port }: VipProbe): string {
  return space === 'host' ? `tcp/${port}` : address;
}

/** The marks of a state by what they are given for: a VIP, or a published port. */
function marksOf(objects: readonly KernelObject[]): ReadonlyMap<string, Mark> {
  return new Map(
    objects.filter(isMark).map((object) => {
      const { match } = object.body;
      return [match.stage === 'input' ? match.destination : `${match.protocol}/${match.port}`, object];
    }),
  );
}

/** Key of the virtual server that a key belongs to: its own, or that of one of its real servers. */
function balancedBy(key: string): string | undefined {
  if (key.startsWith('virtual-server/')) return key;
  return key.startsWith('real-server/') ? `virtual${key.slice('real'.length, key.lastIndexOf('/'))}` : undefined;
}

/**
 * The VIPs whose way these steps have changed: their mark, virtual or real servers, their address or their forward, or something that
 * their whole network, or the host's way into the sandbox, rests on.
 */
export function touchedVips({ watch, objects }: Pick<NodeState, 'watch' | 'objects'>, steps: readonly Step[]): readonly string[] {
  const { vips = {} } = watch;
  const written = new Set<string>();
  const networks = new Set<string>();
  let isHostTouched = false;
  for (const step of steps) {
    const key = keyOfStep(step);
    written.add(balancedBy(key) ?? key);
    if (step.action === 'delete') continue;
    const { body, origin } = step.object;
    if (origin.computedBy === 'gateway') isHostTouched = true;
    const isShared = origin.network !== undefined && origin.service === undefined && origin.endpoint === undefined;
    if (isShared && origin.network !== undefined && !ofPeers.has(body.kind)) networks.add(origin.network);
  }
  if (written.size === 0) return [];
  const marks = marksOf(objects);
  return Object.entries(vips).flatMap(([key, probe]) => {
    const marking = marks.get(entranceOf(probe));
    if (marking === undefined) return [];
    const { space, origin, body } = marking;
    const rests = [marking.key, `virtual-server/${space}/${body.mark}`, `source-kept/${space}/${body.mark}`];
    const entrance = probe.space === 'host' ? `port-forward/host/tcp/${probe.port}` : `address/${space}/eth0/${probe.address}`;
    const isTouched = (probe.space === 'host' && isHostTouched) || (origin.network !== undefined && networks.has(origin.network));
    return isTouched || [...rests, entrance].some((rest) => written.has(rest)) ? [key] : [];
  });
}
