import { hostOf } from '@portolan/harness';
import { describe, expect, it } from 'vitest';
import { readManifest } from '../src/manifest.js';
import { programs } from '../src/programs/paths.js';
import { flannelProof, judgeSeries, proofTables } from '../src/proof.js';
import { renderProof } from '../src/report.js';

const series = { from: 'machine', url: 'http://x/', endpoints: ['a', 'b', 'c'], even: true };
const answered = (...endpoints: string[]) => ({
  answers: endpoints.map((endpoint) => ({ endpoint, node: 'n', client: '10.0.0.9' })),
  failures: [],
  milliseconds: 12,
});

describe('a proof', () => {
  it('is requests that lie within one of each other', () => {
    expect(judgeSeries(series, answered('a', 'b', 'c', 'a'))).toMatchObject({ fault: undefined, failed: 0, clients: ['10.0.0.9'] });
    expect(judgeSeries(series, answered('a', 'b', 'a', 'b')).fault).toMatch('evenly');
    expect(judgeSeries({ ...series, even: false }, answered('a', 'a')).fault).toBeUndefined();
  });

  it('fails by one failed request, and by a stranger that answers', () => {
    expect(judgeSeries(series, { ...answered('a', 'b'), failures: ['ECONNREFUSED'] }).fault).toBe('1 of 3 requests failed: ECONNREFUSED');
    expect(judgeSeries(series, answered('a', 'b', 'c', 'd')).fault).toMatch('d answered');
    expect(judgeSeries(series, answered()).fault).toBeUndefined();
  });

  const manifest = readManifest(programs.example);
  const hosts = new Map((manifest.nodes ?? []).map(({ name, address }) => [name, hostOf(name, address)]));
  const services = (manifest.services ?? []).map((service) => ({
    name: service.name,
    scheduler: 'rr',
    endpointMode: 'vip',
    persistence: 0,
    networks: service.networks ?? [],
    ports: (service.ports ?? []).map((port) => ({ published: 0, protocol: 'tcp', mode: 'ingress', externalTrafficPolicy: 'cluster', ...port })),
  }));
  const networks = [
    { name: 'ingress', ingress: true },
    { name: 'bjdt_overlay', ingress: false },
  ];

  it('asks each published port of each host, and each service by its name from a container of another', () => {
    const tables = proofTables({ manifest, hosts }, services, networks, 30);
    expect(tables.map(({ rows }) => rows.map(({ series: { from, url } }) => `${from} ${url}`))).toEqual([
      ['machine http://172.16.130.140:8080/', 'machine http://172.16.130.164:8080/', 'machine http://172.16.130.170:8080/'],
      ['bjdt_bjdt-dzwl-web.1 http://bjdt_bjdt-dzwl.bjdt_overlay:8080/'],
      ['machine http://172.16.130.140:8000/', 'machine http://172.16.130.164:8000/', 'machine http://172.16.130.170:8000/'],
      ['bjdt_bjdt-dzwl.1 http://bjdt_bjdt-dzwl-web.bjdt_overlay:80/'],
    ]);
    expect(tables[2]?.rows[2]?.label).toBe('node3 172.16.130.170 (runs none of them)');
    expect(tables[2]?.rows[0]?.series.endpoints).toEqual(['bjdt_bjdt-dzwl-web.1', 'bjdt_bjdt-dzwl-web.2']);
  });

  it('asks a port of policy local or of mode host only where an endpoint is, and udp by udp', () => {
    const [service] = services;
    if (service === undefined) throw new Error('the example has services');
    const port = { published: 53, target: 53, protocol: 'udp', mode: 'ingress', externalTrafficPolicy: 'local' };
    const one = {
      ...service,
      name: 'bjdt_bjdt-dzwl-web',
      networks: [],
      ports: [port, { ...port, protocol: 'tcp', mode: 'host', externalTrafficPolicy: 'cluster' }],
    };
    expect(proofTables({ manifest, hosts }, [one], networks, 1).map(({ rows }) => rows.map(({ series: { url, endpoints } }) => [url, endpoints]))).toEqual([
      [
        ['udp://172.16.130.140:53', ['bjdt_bjdt-dzwl-web.1']],
        ['udp://172.16.130.164:53', ['bjdt_bjdt-dzwl-web.2']],
      ],
      [
        ['http://172.16.130.140:53/', ['bjdt_bjdt-dzwl-web.1']],
        ['http://172.16.130.164:53/', ['bjdt_bjdt-dzwl-web.2']],
      ],
    ]);
  });

  it('is shown as an aligned table, with what is wrong below', () => {
    const rows = [
      { label: 'node1', ...judgeSeries(series, answered('a', 'b', 'c')) },
      { label: 'node22', ...judgeSeries(series, { answers: [], failures: ['refused'], milliseconds: 1 }) },
    ];
    expect(renderProof({ title: 'T', endpoints: series.endpoints, rows })).toMatchInlineSnapshot(`
      "T
        FROM / TO  a  b  c  FAILED  MS EACH
        node1      1  1  1       0      4.0
        node22     0  0  0       1      1.0
        ✘ node22: 1 of 1 requests failed: refused"
    `);
  });
});

describe('the proof of a flannel network', () => {
  const pod = (name: string, node: string, address: string | null) => ({ name, node, flannelAddress: address });

  it('is requests from each container to the next, on another node where there is one', () => {
    const endpoints = [pod('a.1', 'node-a', '10.244.1.96'), pod('a.2', 'node-a', '10.244.1.97'), pod('b.1', 'node-b', '10.244.2.194')];
    const [table] = flannelProof({}, [...endpoints, { name: 'other', node: 'node-a', flannelAddress: null }, pod('late', 'node-b', null)], 30);
    expect(table?.rows.map(({ series: { from, url } }) => `${from} ${url}`)).toEqual([
      'a.2 http://10.244.1.96:8080/',
      'a.1 http://10.244.2.194:8080/',
      'b.1 http://10.244.1.97:8080/',
    ]);
    expect(table?.rows[1]?.label).toBe('a.1 10.244.1.96 on node-a to 10.244.2.194 on node-b');
  });

  it('is nothing where nobody is on it, or one alone', () => {
    expect(flannelProof({}, [{ name: 'other', node: 'node-a' }], 30)).toEqual([]);
    expect(flannelProof({}, [pod('a.1', 'node-a', '10.244.1.96')], 30)).toEqual([]);
  });
});
