import type { Manifest } from '@portolan/model';
import { openMemoryStore } from '@portolan/store/memory';
import { expect } from 'vitest';
import { ScriptedRegistry } from './scripted-registry.js';
import { runAgents, SimulatedAgent } from './simulated-agent.js';
import { eventually, type Json, startTestPlane, type TestParts, type TestPlane } from './test-plane.js';

export const cluster = '/v1/clusters/lab';
export const [nodeA, nodeB] = ['172.16.130.140', '172.16.130.164'];
/** What agents see of their hosts in the example. */
export const host = { underlayLink: 'eth1', onLink: ['172.16.130.0/24'], underlayMtu: 1500 };

/** The study's example. */
export const example: Manifest = {
  nodes: [
    { name: 'node-a', address: nodeA },
    { name: 'node-b', address: nodeB },
  ],
  flannel: {
    network: '10.244.0.0/16',
    backend: { type: 'vxlan' },
    reservations: [
      { node: 'node-a', subnet: '10.244.1.0/24' },
      { node: 'node-b', subnet: '10.244.2.0/24' },
    ],
  },
  endpoints: [
    { name: 'a.1', node: 'node-a', attachment: { netns: '/run/netns/a.1' }, flannel: { address: '10.244.1.96' } },
    { name: 'b.1', node: 'node-b', attachment: { netns: '/run/netns/b.1' }, flannel: {} },
  ],
};
/** The same without reservations and endpoints: subnets are given, with a TTL. */
export const plain: Manifest = { nodes: example.nodes ?? [], flannel: { network: '10.244.0.0/16', backend: { type: 'vxlan' } } };

/** As flanneld writes it. */
export function foreignLease(address: string, mac: string): string {
  return `{"PublicIP":"${address}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;
}

export interface FlannelStage {
  readonly plane: TestPlane;
  readonly registry: ScriptedRegistry;
  status(): Promise<Json>;
  /** Subnets of nodes by name, and of foreign nodes by address. */
  owners(): Promise<Readonly<Record<string, string>>>;
  /** Summaries of what the task committed, newest first. */
  commits(): Promise<readonly string[]>;
}

/** A control plane with cluster lab, in memory. */
export async function openFlannelStage(parts: TestParts & { readonly registry?: ScriptedRegistry } = {}): Promise<FlannelStage> {
  const registry = parts.registry ?? new ScriptedRegistry();
  const plane = await startTestPlane({ store: openMemoryStore(), ...parts, registry });
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  const status = async (): Promise<Json> => (await plane.send('GET', `${cluster}/flannel/status`)).body;
  return {
    plane,
    registry,
    status,
    owners: async () => {
      const rows = (await status()).leases as unknown as { node: string | null; publicAddress: string; subnet: string | null }[];
      return Object.fromEntries(rows.filter(({ subnet }) => subnet !== null).map(({ node, publicAddress, subnet }) => [node ?? publicAddress, subnet ?? '']));
    },
    commits: async () => {
      const { items } = (await plane.send('GET', `${cluster}/revisions?limit=100`)).body;
      return (items as unknown as { actor: string; summary: string }[]).filter(({ actor }) => actor === 'flannel').map(({ summary }) => summary);
    },
  };
}

/** Agents that follow, and the manifest applied as far as leases. */
export async function settledStage(manifest: Manifest, parts?: Parameters<typeof openFlannelStage>[0]): Promise<FlannelStage> {
  const stage = await openFlannelStage(parts);
  await runAgents(
    stage.plane,
    'lab',
    (manifest.nodes ?? []).map(({ name }) => name),
    host,
  );
  await stage.plane.send('PUT', `${cluster}/manifest`, { nodes: manifest.nodes });
  await eventually(async () => {
    const { items } = (await stage.plane.send('GET', `${cluster}/nodes`)).body;
    for (const node of items as unknown as object[]) expect(node).toMatchObject(host);
  });
  const applied = await stage.plane.send('PUT', `${cluster}/manifest?wait=applied&timeout=20`, manifest);
  expect(applied).toMatchObject({ status: 200, body: { changed: true } });
  return stage;
}

/** Agents that say something only when they are asked to. */
export function quietAgents({ plane }: FlannelStage, ...names: readonly string[]): readonly SimulatedAgent[] {
  return names.map((name) => {
    const agent = new SimulatedAgent(plane, 'lab', name);
    agent.host = host;
    return agent;
  });
}
