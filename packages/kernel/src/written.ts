import type { ObjectKind, Space } from '@portolan/node-state';
import type { Step } from '@portolan/plan';

/** What is read at once in one namespace, by one process at most. */
export type KernelTable = 'links' | 'peers' | 'sysctls' | 'servers' | 'rules';

/** What was written since an observation, by namespace. */
export type Written = ReadonlyMap<Space, ReadonlySet<KernelTable>>;

export const kernelTables: readonly KernelTable[] = ['links', 'peers', 'sysctls', 'servers', 'rules'];

/** null: in no table of a kernel; the name server, the relay and the folder of files are asked each time. */
export const tableOfKind: Readonly<Record<ObjectKind, KernelTable | null>> = {
  namespace: 'links',
  bridge: 'links',
  vxlan: 'links',
  'flannel-vtep': 'links',
  'udp-relay': null,
  'udp-relay-peer': null,
  veth: 'links',
  address: 'links',
  sysctl: 'sysctls',
  route: 'links',
  'route-rule': 'links',
  neighbour: 'links',
  fdb: 'peers',
  'ipvs-timeouts': 'servers',
  'virtual-server': 'servers',
  'real-server': 'servers',
  mark: 'rules',
  'source-kept': 'rules',
  'source-rewrite': 'rules',
  'rule-entry': 'rules',
  'port-redirect': 'rules',
  'endpoint-filter': 'rules',
  'gateway-policy': 'rules',
  'port-forward': 'rules',
  'pod-forward': 'rules',
  'pod-masquerade': 'rules',
  file: null,
  'dns-redirect': 'rules',
  'dns-server': null,
  'dns-name': null,
  'dns-client': null,
};

/** They come and go with entries in other tables, such as the FDB of a VTEP and the sysctls of a link. */
const structural: ReadonlySet<ObjectKind> = new Set(['namespace', 'bridge', 'vxlan', 'flannel-vtep', 'udp-relay', 'veth']);

/** The tables that steps change, at both ends of a pair. */
export function writtenBy(steps: readonly Step[]): Written {
  const written = new Map<Space, Set<KernelTable>>();
  const add = (space: Space, kind: ObjectKind): void => {
    const tables = written.get(space) ?? new Set();
    written.set(space, tables);
    for (const table of structural.has(kind) ? kernelTables : [tableOfKind[kind]]) if (table !== null) tables.add(table);
  };
  for (const step of steps) {
    for (const object of step.action === 'create' ? [step.object] : step.action === 'delete' ? [step.observed] : [step.object, step.observed]) {
      const kind = 'kind' in object ? object.kind : object.body.kind;
      add(object.space, kind);
      if (object.body?.kind === 'veth') add(object.body.peer.space, kind);
    }
  }
  return written;
}
