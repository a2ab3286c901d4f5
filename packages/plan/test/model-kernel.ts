import { type KernelObject, type ObservedObject, type ObservedState, observedState, type Space } from '@portolan/node-state';
import { changesInPlace, isName, isRule, type Plan, type Step } from '../src/index.js';
import { isLink, restsOn } from '../src/place.js';

/** Interface of every host on the underlay, which nobody of ours made. */
export const UNDERLAY = 'eth0';

type Thing = Pick<ObservedObject, 'key' | 'hash' | 'space' | 'kind' | 'body'>;

/**
 * What a kernel does, as far as the order of steps matters: things are in namespaces and on links and go with them,
 * names and VNIs are taken once, and what is not there cannot be removed. Throws where a tool would fail.
 */
export class ModelKernel {
  readonly things = new Map<string, Thing>();

  constructor(
    things: readonly Thing[],
    readonly endpoints: ObservedState['endpoints'],
  ) {
    for (const thing of things) this.things.set(thing.key, thing);
  }

  observe(): ObservedState {
    const objects = [...this.things.values()].map(({ kind, body, ...thing }): ObservedObject => {
      // Rules are recognised by their comments; a kernel gives no body for them.
      return body === undefined || isRule(kind) ? { ...thing, kind } : { ...thing, kind, body };
    });
    return observedState(objects, this.endpoints, []);
  }

  apply(plan: Plan): void {
    const steps = [...plan.steps];
    const firstMade = steps.findIndex((step) => step.action !== 'delete' && !isName(step.object.body.kind));
    const early = firstMade < 0 ? steps : steps.slice(0, firstMade);
    for (const step of early) this.run(step);
    // What is made anew goes before anything is made: the renderer has one batch for all of it.
    for (const step of steps) if (step.action === 'replace' && isMadeAnew(step) && this.things.has(step.observed.key)) this.remove(step.observed.key);
    for (const step of firstMade < 0 ? [] : steps.slice(firstMade)) this.run(step);
  }

  private run(step: Step): void {
    if (step.action === 'delete') this.remove(step.observed.key);
    else if (step.action === 'create' || isMadeAnew(step)) this.create(step.object);
    else this.change(step.object);
  }

  private create(object: KernelObject): void {
    const { key, space, hash, body } = object;
    // The tools replace these; everything else they refuse to make twice.
    if (this.things.has(key) && restsOn(space, body) === undefined) throw new Error(`exists: ${key}`);
    this.mustHave(object);
    for (const end of this.endsOf({ key, space, hash, body, kind: body.kind })) {
      const taken = [...this.things.values()].find((thing) => this.endsOf(thing).includes(end));
      if (taken !== undefined) throw new Error(`${key}: the name ${end} is taken by ${taken.key}`);
    }
    if (body.kind === 'vxlan' || body.kind === 'flannel-vtep') {
      const taken = [...this.things.values()].find(({ body: t }) => t !== undefined && 'vni' in t && t.vni === body.vni && t.port === body.port);
      if (taken !== undefined) throw new Error(`${key}: the VNI is taken by ${taken.key}`);
    }
    this.things.set(key, { key, hash, space, kind: body.kind, body });
  }

  private change({ key, hash, space, body }: KernelObject): void {
    // A route may have gone with the link that it led to; the tool replaces it all the same.
    if (!this.things.has(key) && body.kind !== 'route') throw new Error(`missing: ${key}`);
    if (body.kind === 'route') this.mustHave({ key, space, body });
    this.things.set(key, { key, hash, space, kind: body.kind, body });
  }

  private mustHave({ key, space, body }: Pick<KernelObject, 'key' | 'space' | 'body'>): void {
    const spaces: Space[] = [space, ...(body.kind === 'veth' ? [body.peer.space] : [])];
    for (const s of body.kind === 'namespace' ? [] : spaces) {
      if (s.startsWith('own:') && !this.things.has(`namespace/${s}`)) throw new Error(`${key}: no namespace ${s}`);
      if (s.startsWith('endpoint:') && this.endpoints[s.slice('endpoint:'.length)] !== 'present') throw new Error(`${key}: no namespace ${s}`);
    }
    const { body: b } = { body };
    const end = restsOn(space, b);
    if (end !== undefined && !this.hasEnd(end)) throw new Error(`${key}: no link ${end}`);
    if ('master' in b && b.master !== undefined && !this.hasEnd(`${space} ${b.master}`)) throw new Error(`${key}: no bridge ${b.master}`);
    if (b.kind === 'real-server' && !this.things.has(`virtual-server/${space}/${b.mark}`)) throw new Error(`${key}: no virtual server`);
  }

  private hasEnd(end: string): boolean {
    return end.endsWith(' lo') || end === `host ${UNDERLAY}` || [...this.things.values()].some((thing) => this.endsOf(thing).includes(end));
  }

  private endsOf({ key, space, kind, body }: Thing): string[] {
    if (!isLink(kind)) return [];
    if (body === undefined) return [`${space} ${key.slice(key.lastIndexOf('/') + 1)}`];
    if (body.kind === 'veth') return [`${space} ${body.name}`, `${body.peer.space} ${body.peer.name}`];
    return 'name' in body ? [`${space} ${body.name}`] : [];
  }

  /** Removes a thing and what goes with it. */
  remove(key: string): void {
    const thing = this.things.get(key);
    if (thing === undefined) throw new Error(`missing: ${key}`);
    this.things.delete(key);
    const ends = this.endsOf(thing);
    const { body } = thing;
    for (const other of [...this.things.values()]) {
      const o = other.body;
      const inside = thing.kind === 'namespace' && !isName(other.kind) && (other.space === thing.space || (o?.kind === 'veth' && o.peer.space === thing.space));
      const on = ends.includes((o && restsOn(other.space, o)) ?? '');
      const served = thing.kind === 'virtual-server' && other.key.startsWith(`real-server/${thing.space}/${key.slice(key.lastIndexOf('/') + 1)}/`);
      const routed =
        body?.kind === 'address' &&
        body.prefixLength < 32 &&
        other.space === thing.space &&
        (((o?.kind === 'route' || o?.kind === 'neighbour') && o.link === body.link) ||
          (o?.kind === 'address' && o.link === body.link && o.prefixLength === body.prefixLength && sameSubnet(o.address, body.address, body.prefixLength)));
      if ((inside || on || served || routed) && this.things.has(other.key)) this.remove(other.key);
      // A port whose bridge goes stays, without a bridge.
      else if (thing.kind === 'bridge' && o !== undefined && 'master' in o && o.master !== undefined && ends.includes(`${other.space} ${o.master}`)) {
        this.things.set(other.key, { ...other, hash: '' });
      }
    }
  }

  /** The same kind of damage that scanners report: with its body, or without. A pair without a body lacks its other end, and what was on it. */
  damage(key: string, withBody: boolean): void {
    const thing = this.things.get(key);
    if (thing === undefined) return;
    const { body, ...rest } = thing;
    if (!withBody && body?.kind === 'veth') {
      const end = `${body.peer.space} ${body.peer.name}`;
      for (const other of [...this.things.values()]) {
        if (other.body !== undefined && 'link' in other.body && `${other.space} ${other.body.link}` === end) this.things.delete(other.key);
      }
    }
    this.things.set(key, withBody && body !== undefined ? { ...rest, hash: '', body } : { ...rest, hash: '' });
  }
}

function isMadeAnew(step: Extract<Step, { action: 'replace' }>): boolean {
  return !changesInPlace(step.observed, step.object.body);
}

function sameSubnet(a: string, b: string, prefixLength: number): boolean {
  const bits = (address: string) =>
    address
      .split('.')
      .map((octet) => Number(octet).toString(2).padStart(8, '0'))
      .join('')
      .slice(0, prefixLength);
  return bits(a) === bits(b);
}
