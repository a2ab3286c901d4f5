import { type EndpointSpec, type Manifest, type NetworkSpec, type NounKind, PortolanError, type ServiceSpec, type Snapshot } from '@portolan/model';
import { applyClusterManifest, createObject, deleteObject, patchObject } from '../../apps/control-plane/src/application/commands.js';
import type { Outcome } from '../../apps/control-plane/src/application/commit.js';
import type { Context } from '../../apps/control-plane/src/application/context.js';
import { deleteEndpoint, startDrain, stopDrain } from '../../apps/control-plane/src/application/departures.js';
import type { World } from './world.js';

/** What became of one change that a person asked for. */
export interface Ask {
  /** Stands in the audit trail; no other change has it. */
  readonly actor: string;
  readonly what: string;
  /** open: there was no answer, or one that leaves it open; refused: nothing was done. */
  outcome: 'open' | 'refused' | { readonly revision: number; readonly changed: boolean };
}

type Command = (ctx: Context, actor: { readonly name: string; readonly from: string }) => Promise<Outcome>;

const networkNames = ['net1', 'net2', 'net3'];
const serviceNames = ['web', 'api', 'db'];

/** People who change the cluster by the commands of REST and GraphQL, whatever the weather. */
export class People {
  readonly asks: Ask[] = [];

  constructor(private readonly world: World) {}

  /** Asks for some change; which one depends on the seed and on what is there. */
  ask(): void {
    const { world } = this;
    const snapshot = world.newest;
    const chance = world.chance;
    if (snapshot === undefined || snapshot.nodes.size === 0 || chance.happens(0.15)) {
      this.applyManifest();
      return;
    }
    const name = (kind: 'nodes' | 'networks' | 'services' | 'endpoints'): string | undefined =>
      chance.anyOf([...snapshot[kind].values()].map((noun) => noun.name));
    const endpoint = name('endpoints');
    const service = name('services');
    const node = name('nodes');
    const wishes: (() => void)[] = [() => this.#createEndpoint(snapshot), () => this.#createEndpoint(snapshot), () => this.#createService(snapshot)];
    if (endpoint !== undefined) {
      wishes.push(() =>
        this.#do(`delete endpoint ${endpoint}`, (ctx, actor) => deleteEndpoint(ctx, actor, world.cluster, endpoint, { force: chance.happens(0.4) })),
      );
      wishes.push(() => this.#do(`delete endpoint ${endpoint} at once`, (ctx, actor) => deleteEndpoint(ctx, actor, world.cluster, endpoint, { force: true })));
      wishes.push(() => this.#patch('endpoint', endpoint, { weight: chance.whole(0, 5) }));
      wishes.push(() =>
        this.#do(`drain ${endpoint}`, (ctx, actor) => startDrain(ctx, actor, world.cluster, endpoint, { seconds: 2, remove: chance.happens(0.5) })),
      );
      wishes.push(() => this.#do(`cancel the drain of ${endpoint}`, (ctx, actor) => stopDrain(ctx, actor, world.cluster, endpoint)));
    }
    if (service !== undefined) {
      wishes.push(() => this.#removeService(snapshot, service));
      wishes.push(() => this.#patch('service', service, { scheduler: chance.oneOf('rr', 'wrr', 'lc', 'sh') }));
      wishes.push(() => this.#patch('service', service, { ports: this.#ports(service) }));
    }
    if (node !== undefined) {
      wishes.push(() => this.#patch('node', node, { availability: chance.oneOf('active', 'active', 'drain') }));
      wishes.push(() => this.#patch('node', node, { labels: { place: String(chance.whole(1, 9)) } }));
      if (chance.happens(0.3)) wishes.push(() => this.#removeNode(snapshot, node));
    }
    const absent = world.hosts.find((host) => ![...snapshot.nodes.values()].some((one) => one.name === host.name));
    if (absent !== undefined) wishes.push(() => this.#create('node', { name: absent.name, address: absent.address }));
    const network = networkNames.find((one) => ![...snapshot.networks.values()].some((known) => known.name === one));
    if (network !== undefined) wishes.push(() => this.#create('network', { name: network }));
    const idle = [...snapshot.networks.values()].find(
      ({ id }) => ![...snapshot.services.values()].some(({ networks }) => networks.some(({ networkId }) => networkId === id)),
    );
    if (idle !== undefined)
      wishes.push(() => this.#do(`delete network ${idle.name}`, (ctx, actor) => deleteObject(ctx, actor, world.cluster, 'network', idle.name)));
    chance.anyOf(wishes)?.();
  }

  /** A whole cluster as one document, near to what is there. */
  applyManifest(): void {
    const { chance, hosts, cluster, hasFlannel } = this.world;
    const nodes = hosts.filter(() => chance.happens(0.9)).map(({ name, address }) => ({ name, address }));
    const networks: NetworkSpec[] = [{ name: 'ingress', ingress: true }, ...networkNames.filter(() => chance.happens(0.7)).map((name) => ({ name }))];
    const services: ServiceSpec[] = serviceNames.filter(() => chance.happens(0.6)).map((name) => this.#serviceSpec(name, networks.slice(1)));
    const endpoints: EndpointSpec[] = services.flatMap((service) =>
      [1, 2].flatMap((i): EndpointSpec[] => {
        const node = chance.anyOf(nodes);
        return node === undefined || chance.happens(0.4) ? [] : [this.#endpointSpec(`${service.name}.${i}`, service.name, node.name)];
      }),
    );
    const manifest: Manifest = {
      settings: { markRange: [0x10000, 0x10009], vniRange: [4096, 4105], subnetPrefixLength: 27, drainSeconds: 2 },
      nodes,
      networks,
      services,
      endpoints,
      ...(hasFlannel ? { flannel: chance.happens(0.9) ? { network: '10.244.0.0/16', backend: { type: chance.oneOf('vxlan', 'host-gw') } } : null } : {}),
    };
    const force = chance.happens(0.5);
    this.#do('apply a manifest', (ctx, actor) => applyClusterManifest(ctx, actor, cluster, manifest, { force }));
  }

  #serviceSpec(name: string, networks: readonly { readonly name: string }[]): ServiceSpec {
    const { chance } = this.world;
    const own = networks.filter(() => chance.happens(0.6)).map((network) => ({ network: network.name }));
    const checked = chance.happens(0.2) ? { healthCheck: { kind: 'tcp' as const, port: 80, intervalMs: 2_000 } } : {};
    return { name, networks: own, ports: this.#ports(name), drainSeconds: 2, ...checked };
  }

  #ports(service: string): NonNullable<ServiceSpec['ports']> {
    return this.world.chance.happens(0.4) ? [{ published: 8000 + serviceNames.indexOf(service), target: 80 }] : [];
  }

  #endpointSpec(name: string, service: string, node: string): EndpointSpec {
    return { name, service, node, attachment: { netns: `/run/netns/${name}` }, weight: this.world.chance.whole(1, 3) };
  }

  #createEndpoint({ services, nodes }: Snapshot): void {
    const { chance } = this.world;
    const service = chance.anyOf([...services.values()]);
    const node = chance.anyOf([...nodes.values()]);
    if (service === undefined || node === undefined) return;
    this.#create('endpoint', this.#endpointSpec(`${service.name}.${chance.whole(1, 5)}`, service.name, node.name));
  }

  #createService({ services, networks }: Snapshot): void {
    const name = serviceNames.find((one) => ![...services.values()].some((known) => known.name === one));
    const own = [...networks.values()].filter(({ ingress }) => !ingress);
    if (name !== undefined) this.#create('service', this.#serviceSpec(name, own));
  }

  /** With its endpoints, one after the other, as a person would. */
  #removeService({ endpoints, services }: Snapshot, name: string): void {
    const { cluster, time, chance } = this.world;
    const id = [...services.values()].find((service) => service.name === name)?.id;
    for (const endpoint of endpoints.values()) {
      if (endpoint.serviceId === id)
        this.#do(`delete endpoint ${endpoint.name} at once`, (ctx, actor) => deleteEndpoint(ctx, actor, cluster, endpoint.name, { force: true }));
    }
    time.after(chance.between(20, 1_500), '', () => this.#do(`delete service ${name}`, (ctx, actor) => deleteObject(ctx, actor, cluster, 'service', name)));
  }

  #removeNode({ endpoints, nodes }: Snapshot, name: string): void {
    const { cluster, time, chance } = this.world;
    const id = [...nodes.values()].find((node) => node.name === name)?.id;
    for (const endpoint of endpoints.values()) {
      if (endpoint.nodeId === id)
        this.#do(`delete endpoint ${endpoint.name} at once`, (ctx, actor) => deleteEndpoint(ctx, actor, cluster, endpoint.name, { force: true }));
    }
    time.after(chance.between(20, 1_500), '', () => this.#do(`delete node ${name}`, (ctx, actor) => deleteObject(ctx, actor, cluster, 'node', name)));
  }

  #create(kind: NounKind, spec: { readonly name: string; readonly [field: string]: unknown }): void {
    this.#do(`create ${kind} ${spec.name}`, (ctx, actor) => createObject(ctx, actor, this.world.cluster, kind, spec));
  }

  #patch(kind: NounKind, name: string, patch: unknown): void {
    this.#do(`patch ${kind} ${name} ${JSON.stringify(patch)}`, (ctx, actor) => patchObject(ctx, actor, this.world.cluster, kind, name, patch));
  }

  #do(what: string, command: Command): void {
    const { world } = this;
    const ask: Ask = { actor: `person-${this.asks.length + 1}`, what, outcome: 'open' };
    this.asks.push(ask);
    const plane = world.chance.anyOf(world.planes.filter(({ process }) => process?.isAlive === true));
    world.note(`${ask.actor} asks ${plane?.process?.name ?? 'nobody'}: ${what}`);
    if (plane === undefined) {
      ask.outcome = 'refused';
      return;
    }
    command(plane.ctx, { name: ask.actor, from: '203.0.113.9' }).then(
      ({ revision, changed }) => {
        ask.outcome = { revision, changed };
        world.note(`${ask.actor} hears: revision ${revision}${changed ? '' : ', nothing to change'}`);
      },
      (error: unknown) => {
        const code = error instanceof PortolanError ? error.code : String(error);
        if (code !== 'store-unavailable') ask.outcome = 'refused';
        world.note(`${ask.actor} hears: ${code}`);
        if (!(error instanceof PortolanError) || code === 'internal')
          world.truth.refute('a command fails with a code', `${what}: ${error instanceof Error ? error.stack : String(error)}`);
      },
    );
  }
}
