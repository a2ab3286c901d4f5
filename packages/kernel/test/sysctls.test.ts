import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inNamespace } from '../src/index.js';
import { readSysctls, writeSysctls } from '../src/sysctls.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
beforeEach(() => {
  host = makeThrowawayHost();
});
afterEach(() => host.dispose());

describe('sysctls', () => {
  it('are those of the namespace, and a missing one is left out', () => {
    const [a, b] = [host.container('a'), host.container('b')];
    // A new namespace has what the machine has.
    host.run('sysctl -q -w net.ipv4.ip_forward=0', b);
    expect(inNamespace(a, () => writeSysctls('net.ipv4.ip_forward = 1\nnet.ipv4.tcp_keepalive_time = 600\n'))).toBe('');
    const names = ['net.ipv4.ip_forward', 'net.ipv4.tcp_keepalive_time', 'net.ipv4.conf.nothere.rp_filter'];
    expect(inNamespace(a, () => readSysctls(names))).toBe('net.ipv4.ip_forward = 1\nnet.ipv4.tcp_keepalive_time = 600\n');
    expect(inNamespace(b, () => readSysctls(names))).toBe('net.ipv4.ip_forward = 0\nnet.ipv4.tcp_keepalive_time = 7200\n');
    expect(host.run('sysctl net.ipv4.ip_forward', a)).toContain('= 1');
  });

  it('have interfaces with dots in their names', () => {
    host.run('ip link add name br0.7 type bridge');
    expect(inNamespace(host.host, () => writeSysctls('net.ipv4.conf.br0/7.rp_filter = 2\n'))).toBe('');
    expect(host.run('sysctl net/ipv4/conf/br0.7/rp_filter')).toContain('= 2');
    expect(inNamespace(host.host, () => readSysctls(['net.ipv4.conf.br0/7.rp_filter']))).toBe('net.ipv4.conf.br0/7.rp_filter = 2\n');
  });

  it('of IPv6 are as good as 0 where the kernel has none', () => {
    const root = mkdtempSync(join(tmpdir(), 'portolan-sysctls-'));
    try {
      mkdirSync(join(root, 'net/ipv4'), { recursive: true });
      const name = 'net.ipv6.conf.flannel/1.accept_ra';
      expect(writeSysctls(`${name} = 0\n`, root)).toBe('');
      expect(readSysctls([name, 'net.ipv4.nothing'], root)).toBe(`${name} = 0\n`);
      expect(writeSysctls(`${name} = 1\n`, root)).toBe(`${name}: ENOENT\n`);
      // With IPv6, but without that link.
      mkdirSync(join(root, 'net/ipv6/conf'), { recursive: true });
      expect(writeSysctls(`${name} = 0\n`, root)).toBe(`${name}: ENOENT\n`);
      expect(readSysctls([name], root)).toBe('');
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('are written as far as they can be, with the name and the error of each that cannot', () => {
    const failed = inNamespace(host.host, () =>
      writeSysctls('net.ipv4.nothing = 1\nnet.ipv4.tcp_keepalive_time = 70000000\nnonsense\nnet.ipv4.ip_forward = 1\n'),
    );
    expect(failed).toBe('net.ipv4.nothing: ENOENT\nnet.ipv4.tcp_keepalive_time: EINVAL\nnonsense: is no "NAME = VALUE"\n');
    expect(host.run('sysctl net.ipv4.ip_forward')).toContain('= 1');
  });
});
