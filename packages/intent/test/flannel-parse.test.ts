import { parseFlannel, parseManifest } from '@portolan/intent';
import { describe, expect, it } from 'vitest';
import { problemsOf } from './refusal.js';

const good = { network: '10.244.0.0/16', backend: { type: 'vxlan' } };

interface Refused {
  readonly document: unknown;
  readonly problem: string;
  readonly message: RegExp;
  readonly fix: RegExp;
}

const refusals: readonly (readonly [document: unknown, problem: string, message: RegExp, fix?: RegExp])[] = [
  [{ network: '10.244.0.0/16' }, 'invalid-document ', /"backend" is missing/],
  [{ ...good, netwrk: 1 }, 'unknown-field /netwrk', /"netwrk" is not known/, /Did you mean "network"/],
  [{ ...good, backend: 'vxlan' }, 'invalid-document /backend', /expected an object with "type", one of "vxlan", "host-gw", "udp"/],
  [{ ...good, backend: {} }, 'invalid-document /backend', /"type" is missing/],
  [{ ...good, backend: { type: 'ipip' } }, 'invalid-document /backend/type', /"ipip" is not allowed here: expected one of "vxlan", "host-gw", "udp"/],
  [{ ...good, backend: { type: 'vxlan', vni: 0 } }, 'invalid-document /backend/vni', /0 is not allowed here: expected an integer from 1 to 16777215/],
  [{ ...good, backend: { type: 'host-gw', vni: 5 } }, 'unknown-field /backend/vni', /"vni" is not known with type "host-gw"/, /write "type": "vxlan"/],
  [{ ...good, backend: { type: 'vxlan', directRoute: true } }, 'unknown-field /backend/directRoute', /not known/, /Did you mean "directRouting"/],
  [{ ...good, network: '10.244.1.1/16' }, 'host-bits-set /network', /host bits/, /10\.244\.0\.0\/16/],
  [{ ...good, network: '10.244.0.0' }, 'invalid-subnet /network', /not an IPv4 subnet/],
  [{ ...good, network: '127.0.0.0/16' }, 'invalid-subnet /network', /loopback/],
  [{ ...good, network: '10.244.0.0/29' }, 'invalid-subnet /network', /too small/],
  [{ ...good, subnetLen: 17 }, 'unsupported-combination /subnetLen', /cannot be cut/],
  [{ ...good, subnetMin: '10.245.0.0' }, 'address-outside-network /subnetMin', /outside/],
  [{ ...good, subnetMax: '10.244.0.7' }, 'host-bits-set /subnetMax', /base address/],
  [{ ...good, subnetMin: 'x' }, 'invalid-address /subnetMin', /not an IPv4 address/],
  [{ ...good, prefix: '/a//b/' }, 'invalid-document /prefix', /slashes/, /"\/a\/b"/],
  [
    { ...good, reservations: [{ node: 'n1', subnet: '10.244.1.0/25' }] },
    'invalid-subnet /reservations/0/subnet',
    /24 prefix bits, not 25/,
    /10\.244\.1\.0\/24/,
  ],
  [{ ...good, reservations: [{ node: 'n1', subnet: '10.244.1.7/24' }] }, 'host-bits-set /reservations/0/subnet', /host bits/],
  [
    { ...good, reservations: [{ node: 'n1', subnet: '10.244.0.0/24' }] },
    'address-outside-network /reservations/0/subnet',
    /not one of/,
    /10\.244\.1\.0\/24 to 10\.244\.255\.0\/24/,
  ],
  [
    {
      ...good,
      reservations: [
        { node: 'n1', subnet: '10.244.1.0/24' },
        { node: 'n2', subnet: '10.244.1.0/24' },
      ],
    },
    'subnet-overlap /reservations/1/subnet',
    /reserved for the node "n1"/,
  ],
  [
    {
      ...good,
      reservations: [
        { node: 'n1', subnet: '10.244.1.0/24' },
        { node: 'n1', subnet: '10.244.2.0/24' },
      ],
    },
    'duplicate-name /reservations/1/node',
    /"n1" has a reservation already/,
  ],
  [{ ...good, registry: { subnetlen: 24 } }, 'invalid-document /registry/subnetlen', /no further field/, /"subnetLen"/],
  [{ ...good, registry: { EnableIPv6: true, enableipv6: false } }, 'invalid-document /registry/enableipv6', /same field as "EnableIPv6"/],
  [{ ...good, registry: { EnableIPv4: false } }, 'unsupported-combination /registry/EnableIPv4', /IPv4/],
];

const wrong = refusals.map(([document, problem, message, fix = /./]): Refused => ({ document, problem, message, fix }));

describe('the spec of a flannel network', () => {
  it.each(wrong)('$document is refused: $problem', ({ document, problem, message, fix }) => {
    const problems = problemsOf(() => parseFlannel(document));
    expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual([problem]);
    expect(problems[0]?.message).toMatch(message);
    expect(problems[0]?.fix).toMatch(fix);
  });

  it.each(wrong)('$document is refused in a manifest with the path of the section', ({ document: flannel, problem, message }) => {
    const problems = problemsOf(() => parseManifest({ flannel }));
    expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual([problem.replace(' ', ' /flannel')]);
    expect(problems[0]?.message).toMatch(message);
  });

  it('names each fault of several', () => {
    const document = { ...good, backend: { type: 'vxlan', vni: 'x', port: 0, gbp: 1 }, cni: 'yes' };
    expect(problemsOf(() => parseFlannel(document)).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/backend/vni', '/backend/port', '/backend/gbp', '/cni']),
    );
  });

  it('is null or an object in a manifest', () => {
    expect(parseManifest({ flannel: null })).toEqual({ flannel: null });
    const problems = problemsOf(() => parseManifest({ flannel: 5 }));
    expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual(['invalid-document /flannel']);
    expect(problems[0]?.message).toMatch(/5 is not allowed here: expected an object or null/);
  });

  it('may hold everything that flannel knows', () => {
    const document = {
      prefix: '/x',
      network: '10.244.0.0/16',
      subnetLen: 26,
      subnetMin: '10.244.1.0',
      subnetMax: '10.244.9.64',
      backend: { type: 'vxlan', vni: 7, port: 4790, gbp: true, learning: true, directRouting: true, mtu: 1400 },
      masquerade: false,
      cni: false,
      reservations: [{ node: 'n1', subnet: '10.244.1.64/26' }],
      registry: { EnableIPv6: true, IPv6Network: 'fd00::/48' },
    };
    expect(parseFlannel(document)).toBe(document);
  });
});
