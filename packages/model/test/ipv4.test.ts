import { formatCidr, formatIpv4, isHostAddress, macOfIpv4, PortolanError, parseCidr, parseIpv4, subnetsOverlap } from '@portolan/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PortolanError) return error.code;
    throw error;
  }
  return 'none';
}

describe('addresses', () => {
  it('parses what it formats', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (value) => {
        expect(parseIpv4(formatIpv4(value))).toBe(value);
      }),
    );
  });

  it.each(['', '10.0.0', '10.0.0.256', '10.0.0.01', ' 10.0.0.1', '10.0.0.1/24', '::1'])('refuses %j', (text) => {
    expect(codeOf(() => parseIpv4(text))).toBe('invalid-address');
  });

  it('derives the MAC that Docker gives an overlay address', () => {
    expect(macOfIpv4('10.0.1.8')).toBe('02:42:0a:00:01:08');
  });
});

describe('subnets', () => {
  it('parses what it formats, for every length', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer({ min: 0, max: 32 }), (value, prefixLength) => {
        const first = Math.floor(value / 2 ** (32 - prefixLength)) * 2 ** (32 - prefixLength);
        const subnet = parseCidr(`${formatIpv4(first)}/${prefixLength}`);
        expect(formatCidr(subnet)).toBe(`${formatIpv4(first)}/${prefixLength}`);
        expect(subnet.last - subnet.first + 1).toBe(2 ** (32 - prefixLength));
      }),
    );
  });

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/24/1', '10.0.0/24', '10.0.0.0/024'])('refuses %j', (text) => {
    expect(codeOf(() => parseCidr(text))).toBe('invalid-subnet');
  });

  it('refuses host bits and says what was probably meant', () => {
    expect(() => parseCidr('10.0.0.7/24', '/networks/0/subnet')).toThrow(PortolanError);
    try {
      parseCidr('10.0.0.7/24', '/networks/0/subnet');
    } catch (error) {
      expect((error as PortolanError).problems[0]).toMatchObject({ code: 'host-bits-set', path: '/networks/0/subnet', fix: 'Write 10.0.0.0/24.' });
    }
  });

  it('knows overlap and host addresses', () => {
    expect(subnetsOverlap(parseCidr('10.0.0.0/8'), parseCidr('10.255.0.0/16'))).toBe(true);
    expect(subnetsOverlap(parseCidr('10.0.0.0/24'), parseCidr('10.0.1.0/24'))).toBe(false);
    const subnet = parseCidr('10.0.0.0/24');
    expect([0, 1, 254, 255].map((last) => isHostAddress(subnet, parseIpv4(`10.0.0.${last}`)))).toEqual([false, true, true, false]);
  });
});
