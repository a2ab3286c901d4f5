import { basename } from 'node:path';
import type { LabHost, LabMachine } from '@portolan/harness';
import type { EtcdClient } from './etcd.js';

export type Backend = 'vxlan' | 'host-gw' | 'udp';

/** Where flanneld keeps its leases unless told otherwise. */
export const SUBNETS = '/coreos.com/network/subnets/';
/** Seconds that flanneld asks etcd for. */
export const LEASE_SECONDS = 86_400;

/** The value of a lease as flanneld 0.28 writes it, byte for byte. */
export function flanneldLease(address: string, backend: Backend, mac = ''): string {
  const head = `{"PublicIP":"${address}","PublicIPv6":null`;
  if (backend === 'udp') return `${head}}`;
  if (backend === 'host-gw') return `${head},"BackendType":"host-gw"}`;
  return `${head},"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
}

/** The key that flanneld writes for a subnet such as 10.244.9.0/24. */
export function flanneldKey(subnet: string): string {
  return `${SUBNETS}${subnet.replace('/', '-')}`;
}

export interface PeerLease {
  readonly subnet: string;
  readonly base: string;
  readonly address: string;
  readonly mac: string | undefined;
}

/** The leases in etcd, of nodes with an agent and of those with flanneld alike. */
export async function leasesIn(etcd: EtcdClient): Promise<readonly PeerLease[]> {
  return (await etcd.range(SUBNETS)).map(({ key, value }) => {
    const { PublicIP, BackendData } = JSON.parse(value) as { PublicIP: string; BackendData?: { VtepMAC?: string } };
    const subnet = key.slice(SUBNETS.length).replace('-', '/');
    return { subnet, base: subnet.split('/')[0] ?? '', address: PublicIP, mac: BackendData?.VtepMAC };
  });
}

/** A host that no agent of ours runs on: its lease and its kernel are made as flanneld makes them. */
export interface FlanneldHost {
  readonly address: string;
  readonly subnet: string;
  /** An address of its subnet that answers, as a container of it would. */
  readonly pod: string;
  readonly netns: string;
  /** Writes the lease with a new TTL of a day, makes the device, and programs the peers that are in the registry. Of udp only the lease is written. */
  join(backend: Backend, mac?: string): Promise<void>;
  /** Programs the peers that are in the registry now. */
  follow(backend: Backend): Promise<void>;
  /** Its lease goes, as after a day without renewal, and with it what it had in its kernel. */
  leave(): Promise<void>;
  ip(...argv: string[]): Promise<string>;
}

export function flanneldHost(machine: LabMachine, host: LabHost, subnet: string, etcd: EtcdClient): FlanneldHost {
  const base = subnet.split('/')[0] ?? '';
  const pod = base.replace(/0$/, '5');
  const space = basename(host.netns);

  async function batch(tool: 'ip' | 'bridge', lines: readonly string[]): Promise<void> {
    const argv = tool === 'ip' ? (['ip', '-n', space, '-batch', '-'] as const) : (['ip', 'netns', 'exec', space, 'bridge', '-batch', '-'] as const);
    const { exitCode, stderr } = await machine.run(argv, `${lines.join('\n')}\n`);
    if (exitCode !== 0) throw new Error(`${tool} in ${space}: ${stderr}`);
  }

  const self: FlanneldHost = {
    address: host.address,
    subnet,
    pod,
    netns: host.netns,
    async join(backend, mac = 'aa:bb:cc:00:00:09') {
      const lease = await etcd.grant(LEASE_SECONDS);
      await etcd.put(flanneldKey(subnet), flanneldLease(host.address, backend, mac), lease);
      await batch('ip', [`addr replace ${pod}/32 dev lo`]);
      if (backend === 'vxlan') {
        await machine.run(['ip', '-n', space, 'link', 'delete', 'flannel.1']);
        await batch('ip', [
          `link add flannel.1 txqueuelen 0 mtu 1450 address ${mac} type vxlan id 1 dev eth1 local ${host.address} nolearning dstport 8472`,
          `addr add ${base}/32 dev flannel.1`,
          'link set flannel.1 up',
        ]);
      }
      await self.follow(backend);
    },
    async follow(backend) {
      const peers = (await leasesIn(etcd)).filter((peer) => peer.subnet !== subnet);
      if (backend === 'host-gw') {
        await batch(
          'ip',
          peers.map((peer) => `route replace ${peer.subnet} via ${peer.address} dev eth1`),
        );
      }
      if (backend !== 'vxlan') return;
      const reached = peers.filter(({ mac }) => mac !== undefined);
      await batch(
        'ip',
        reached.map((peer) => `neigh replace ${peer.base} dev flannel.1 lladdr ${peer.mac} nud permanent`),
      );
      await batch(
        'bridge',
        reached.map((peer) => `fdb replace ${peer.mac} dev flannel.1 dst ${peer.address} self permanent`),
      );
      await batch(
        'ip',
        reached.map((peer) => `route replace ${peer.subnet} via ${peer.base} dev flannel.1 onlink`),
      );
    },
    async leave() {
      await etcd.remove(flanneldKey(subnet));
      await machine.run(['ip', '-n', space, 'link', 'delete', 'flannel.1']);
      for (const peer of await leasesIn(etcd)) await machine.run(['ip', '-n', space, 'route', 'delete', peer.subnet]);
    },
    async ip(...argv) {
      const { exitCode, stdout, stderr } = await machine.run(['ip', '-n', space, ...argv]);
      if (exitCode !== 0) throw new Error(`ip ${argv.join(' ')} in ${space}: ${stderr}`);
      return stdout;
    },
  };
  return self;
}
