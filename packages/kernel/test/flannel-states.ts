import { macOfIpv4 } from '@portolan/model';
import { type KernelObject, kernelObject, type NodeState, nodeState, nothingToWatch, type ObjectBody, type Origin, type Space } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { renderPlan } from '@portolan/render';
import { type AppliedBatch, type Kernel, type Observation, requestOf, writtenBy } from '../src/index.js';
import { toldSteps } from './reach.js';

const origin: Origin = { computedBy: 'flannel' };

export interface FlannelPeer {
  readonly address: string;
  /** Base address of its subnet, which has a length of 24. */
  readonly base: string;
  /** Of its VTEP; the peer is reached by a plain route without one. */
  readonly mac?: string;
}

export interface FlannelNode extends FlannelPeer {
  readonly network: string;
  readonly peers: readonly FlannelPeer[];
  /** The containers at these addresses, by endpoint: their namespaces. */
  readonly pods?: Readonly<Record<string, { readonly netns: string; readonly address: string }>>;
  readonly mtu?: number;
  readonly more?: readonly ObjectBody[];
}

export function flannelVtep({ address, mac = '' }: FlannelPeer): Extract<ObjectBody, { kind: 'flannel-vtep' }> {
  return { kind: 'flannel-vtep', name: 'flannel.1', vni: 1, port: 8472, mtu: 1450, mac, local: address, underlay: 'eth0', learning: false, gbp: false };
}

export function peerBodies({ address, base, mac }: FlannelPeer): ObjectBody[] {
  if (mac === undefined) return [{ kind: 'route', destination: `${base}/24`, via: address, link: 'eth0' }];
  return [
    { kind: 'neighbour', link: 'flannel.1', address: base, mac },
    { kind: 'fdb', link: 'flannel.1', mac, vtep: address },
    { kind: 'route', destination: `${base}/24`, via: base, link: 'flannel.1', onlink: true },
  ];
}

/** A node of flannel with a VTEP, where it has a MAC, and its peers: what flanneld makes, and the bridge of its containers where it has some. */
export function flannelState({ network, peers, pods = {}, mtu = 1450, more = [], ...own }: FlannelNode): NodeState {
  const gateway = own.base.replace(/\.0$/, '.1');
  const on = (space: Space, ...bodies: readonly ObjectBody[]): KernelObject[] => bodies.map((body) => kernelObject(space, body, origin));
  const device: ObjectBody[] =
    own.mac === undefined
      ? []
      : [
          flannelVtep(own),
          { kind: 'address', link: 'flannel.1', address: own.base, prefixLength: 32 },
          { kind: 'sysctl', name: 'net.ipv6.conf.flannel/1.accept_ra', value: '0' },
        ];
  const bridge: ObjectBody[] =
    Object.keys(pods).length === 0
      ? []
      : [
          { kind: 'bridge', name: 'cni0', mtu, mac: macOfIpv4(gateway) },
          { kind: 'address', link: 'cni0', address: gateway, prefixLength: 24 },
        ];
  return nodeState({
    cluster: 'lab',
    node: own.address,
    address: own.address,
    endpoints: Object.fromEntries(Object.entries(pods).map(([id, { netns }]) => [id, { name: id, attachment: { netns } }])),
    watch: nothingToWatch,
    objects: [
      ...on(
        'host',
        ...device,
        ...bridge,
        ...peers.flatMap(peerBodies),
        { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
        { kind: 'rule-entry', table: 'filter', stage: 'forward' },
        { kind: 'rule-entry', table: 'nat', stage: 'postrouting' },
        { kind: 'pod-forward', network },
        { kind: 'pod-masquerade', network, subnet: `${own.base}/24` },
        ...more,
      ),
      ...Object.entries(pods).flatMap(([id, { address }]) => [
        ...on('host', {
          kind: 'veth',
          name: `ptl_${id}`,
          master: 'cni0',
          mtu,
          peer: { space: `endpoint:${id}`, name: 'pod0', mac: `02:42:${address.split('.').map(hexadecimal).join(':')}` },
        }),
        ...on(
          `endpoint:${id}`,
          { kind: 'address', link: 'pod0', address, prefixLength: 24 },
          { kind: 'route', destination: 'default', via: gateway, link: 'pod0' },
        ),
      ]),
    ],
  });
}

function hexadecimal(part: string): string {
  return Number(part).toString(16).padStart(2, '0');
}

/** As the agent does it: observe, apply what is missing, read back what was written. */
export async function pass(kernel: Kernel, state: NodeState): Promise<{ applied: readonly AppliedBatch[]; before: Observation; after: Observation }> {
  const request = requestOf(state);
  const before = await kernel.observe(request);
  const plan = diffNodeState(before, state);
  const applied = await kernel.apply(renderPlan(plan, state, kernel.layout));
  return { applied, before, after: await kernel.observe({ ...request, written: writtenBy(plan.steps) }) };
}

/** `pass`, which must do all that is wanted: throws when a batch fails or something is left to do. */
export async function bring(kernel: Kernel, state: NodeState): Promise<{ readonly before: Observation; readonly applied: readonly AppliedBatch[] }> {
  const { applied, before, after } = await pass(kernel, state);
  const failed = applied.find(({ exitCode }) => exitCode !== 0);
  if (failed !== undefined) throw new Error(`${failed.command}\n${failed.batch.text}\n${failed.stderr}`);
  for (const seen of [after, await kernel.observe(requestOf(state))]) {
    const left = toldSteps(diffNodeState(seen, state).steps);
    if (left.length > 0) throw new Error(`left to do: ${left.join('; ')}`);
  }
  return { before, applied };
}

export async function stepsToFlannel(kernel: Kernel, state: NodeState): Promise<string[]> {
  return toldSteps(diffNodeState(await kernel.observe(requestOf(state)), state).steps);
}
