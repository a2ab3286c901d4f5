import type { ErrorCode, Id, Snapshot } from '@portolan/model';
import { block, type Finding, type Subject } from './finding.js';

/** Values that two objects of the cluster hold. */
export function* duplicateFindings(snapshot: Snapshot): Iterable<Finding> {
  const vnis = new Seen<number>('vni-taken', 'vni', 'the VNI');
  const marks = new Seen<number>('mark-taken', 'vips', 'the mark');
  const hosts = new Seen<string>('address-taken', 'address', 'the address');
  const ports = new Seen<string>('port-taken', 'ports', 'the published port');
  const names = { node: nameSeen(), network: nameSeen(), service: nameSeen(), endpoint: nameSeen() };
  const addresses = new Map<Id, Seen<string>>();
  const inNetwork = (networkId: Id): Seen<string> => {
    let seen = addresses.get(networkId);
    if (seen === undefined) {
      seen = new Seen('address-taken', 'address', 'the address');
      addresses.set(networkId, seen);
    }
    return seen;
  };

  for (const { id, name, vni, gateway } of snapshot.networks.values()) {
    const subject: Subject = { kind: 'network', id, name };
    yield* names.network.enter(name, subject);
    yield* vnis.enter(vni, subject);
    yield* inNetwork(id).enter(gateway, subject);
  }
  for (const { id, name, address, loadBalancers } of snapshot.nodes.values()) {
    const subject: Subject = { kind: 'node', id, name };
    yield* names.node.enter(name, subject);
    yield* hosts.enter(address, subject);
    for (const own of loadBalancers) yield* inNetwork(own.networkId).enter(own.address, subject);
  }
  for (const { id, name, vips, ports: published } of snapshot.services.values()) {
    const subject: Subject = { kind: 'service', id, name };
    yield* names.service.enter(name, subject);
    for (const vip of vips) {
      yield* inNetwork(vip.networkId).enter(vip.address, subject);
      yield* marks.enter(vip.mark, subject);
    }
    for (const port of published) yield* ports.enter(`${port.published}/${port.protocol}`, subject);
  }
  for (const { id, name, addresses: own } of snapshot.endpoints.values()) {
    const subject: Subject = { kind: 'endpoint', id, name };
    yield* names.endpoint.enter(name, subject);
    for (const { networkId, address } of own) yield* inNetwork(networkId).enter(address, subject);
  }
}

class Seen<Value extends string | number> {
  readonly #holders = new Map<Value, Subject>();
  readonly #code: ErrorCode;
  readonly #field: string;
  readonly #noun: string;

  constructor(code: ErrorCode, field: string, noun: string) {
    this.#code = code;
    this.#field = field;
    this.#noun = noun;
  }

  enter(value: Value, subject: Subject): readonly Finding[] {
    const other = this.#holders.get(value);
    if (other !== undefined) return [block(this.#code, subject, this.#field, `${this.#noun} ${value} is held by the ${other.kind} "${other.name}" too`)];
    this.#holders.set(value, subject);
    return none;
  }
}

const none: readonly Finding[] = [];

function nameSeen(): Seen<string> {
  return new Seen('duplicate-name', 'name', 'the name');
}
