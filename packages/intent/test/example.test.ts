import { readFileSync } from 'node:fs';
import { checkSnapshot } from '@portolan/check';
import { applyManifest, findNoun, parseManifest } from '@portolan/intent';
import { bjdtManifest, emptySnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const text = readFileSync(new URL('../../../examples/bjdt.yaml', import.meta.url), 'utf8');
const manifest = parseManifest(parse(text));
const snapshot = applyManifest(emptySnapshot('lab'), manifest, seededIds(1), { now: 0 });

const INGRESS = 't17rqrj45unnb42hefovj68mh';
const OVERLAY = '5mckih8b5zq55feis4xheef5z';

describe('examples/bjdt.yaml', () => {
  it('is the sample of the test kit', () => {
    expect(manifest).toEqual(bjdtManifest);
    expect([...snapshot.services]).toEqual([...sampleSnapshot().services]);
    expect(checkSnapshot(snapshot)).toEqual([]);
  });

  it('has the networks of the study', () => {
    expect(snapshot.networks.get(OVERLAY)).toMatchObject({
      name: 'bjdt_overlay',
      vni: 4097,
      subnet: '10.0.0.0/24',
      gateway: '10.0.0.1',
      mtu: null,
      ingress: false,
    });
    expect(snapshot.networks.get(INGRESS)).toMatchObject({ name: 'ingress', vni: 4096, subnet: '10.255.0.0/16', ingress: true });
  });

  it('has the service behind the VIP, published on 8080', () => {
    const service = findNoun(snapshot, 'service', 'bjdt_bjdt-dzwl');
    expect(service).toMatchObject({ scheduler: 'rr', ports: [{ protocol: 'tcp', published: 8080, target: 8080 }] });
    expect(service?.networks.find((vip) => vip.networkId === OVERLAY)).toEqual({
      networkId: OVERLAY,
      address: '10.0.0.20',
      mark: 329,
      localMark: null,
      aliases: [],
    });
    expect(service?.networks.find((vip) => vip.networkId === INGRESS)?.address).toBe('10.255.0.41');
    const endpoints = [...snapshot.endpoints.values()].filter((endpoint) => endpoint.serviceId === service?.id);
    expect(endpoints.map((endpoint) => snapshot.nodes.get(endpoint.nodeId)?.name)).toEqual(['node1', 'node2', 'node3']);
    expect(endpoints.map((endpoint) => endpoint.addresses.length)).toEqual([2, 2, 2]);
  });

  it('has the front on two of the nodes, published 8000 to 80, with an ingress VIP of its own', () => {
    const service = findNoun(snapshot, 'service', 'bjdt_bjdt-dzwl-web');
    expect(service?.ports).toMatchObject([{ protocol: 'tcp', published: 8000, target: 80, mode: 'ingress', externalTrafficPolicy: 'cluster' }]);
    const vip = service?.networks.find((own) => own.networkId === INGRESS);
    expect(vip?.address).toMatch(/^10\.255\./);
    expect(vip?.address).not.toBe('10.255.0.41');
    const endpoints = [...snapshot.endpoints.values()].filter((endpoint) => endpoint.serviceId === service?.id);
    expect(endpoints.map((endpoint) => snapshot.nodes.get(endpoint.nodeId)?.name)).toEqual(['node1', 'node2']);
  });

  it('gives every node an address of its own in both networks', () => {
    for (const node of snapshot.nodes.values()) expect(node.loadBalancers.map((own) => own.networkId).toSorted()).toEqual([OVERLAY, INGRESS]);
  });
});
