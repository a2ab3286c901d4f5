import { portolanError } from '@portolan/model';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { watchAccess } from '../../src/credentials/access.js';
import { newKeyWithRequest } from '../../src/credentials/certificate-request.js';
import { type HeldCredentials, heldCredentials, lifeOf } from '../../src/credentials/held.js';
import { keepRenewed } from '../../src/credentials/renewal.js';
import { fakeClock } from '../fake-clock.js';
import { type TestAuthority, testAuthority } from './authority.js';
import { CLUSTER, NODE } from './scripted-server.js';

const DAY = 86_400_000;
/** The first moment of a fake clock. */
const BEGIN = 1_000_000;

let authority: TestAuthority;
beforeAll(async () => {
  authority = await testAuthority();
});

async function credentials(from: number, days: number): Promise<HeldCredentials> {
  const { privateKey, request } = await newKeyWithRequest();
  const certificate = await authority.certificateFor(request, { from, until: from + days * DAY });
  const document = { cluster: CLUSTER, node: NODE, nodeId: 'n', certificate, authority: authority.certificate, redisUrl: null, etcd: null };
  return heldCredentials(document, { server: 'https://127.0.0.1:1', privateKey }, 'a test');
}

interface Story {
  readonly clock: ReturnType<typeof fakeClock>;
  /** What happened, in order, with the day that it was. */
  readonly told: string[];
  /** undefined: the next credentials are given. */
  failure: Error | undefined;
  next: HeldCredentials;
  readonly access: ReturnType<typeof watchAccess>;
  begin(held: HeldCredentials): ReturnType<typeof keepRenewed>;
}

let thirtyDays: HeldCredentials;
let following: HeldCredentials;
beforeAll(async () => {
  thirtyDays = await credentials(BEGIN, 30);
  following = await credentials(BEGIN + 20 * DAY, 30);
});

function story(random: number): Story {
  const clock = fakeClock(() => random);
  const told: string[] = [];
  const tell = (what: string): void => void told.push(`${((clock.today() - BEGIN) / DAY).toFixed(2)} ${what}`);
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (_: object, message: string) => tell(message),
    error: (_: object, message: string) => tell(message),
  };
  const access = watchAccess(log, thirtyDays.expiresAt);
  const one: Story = {
    clock,
    told,
    failure: undefined,
    next: following,
    access,
    begin: (held) =>
      keepRenewed({
        held,
        file: { write: async () => tell('written') },
        renew: async () => {
          if (one.failure === undefined) return one.next;
          tell('asked in vain');
          throw one.failure;
        },
        onRenewed: () => tell('used'),
        access,
        clock,
        log,
      }),
  };
  return one;
}

let one: Story;
beforeEach(() => {
  one = story(0);
});

describe('renewal', () => {
  it('is at two thirds of the life, or up to a twentieth of it earlier; on disk before it is used', async () => {
    for (const [random, day] of [
      [0, '20.00'],
      [0.999999, '18.50'],
    ] as const) {
      one = story(random);
      one.begin(thirtyDays);
      await one.clock.pass(Number(day) * DAY - 60_000);
      expect(one.told).toEqual([]);
      await one.clock.pass(120_000);
      expect(one.told).toEqual([`${day} written`, `${day} used`]);
      expect(one.access.status()).toEqual({ state: 'granted', certificateEndsAt: following.expiresAt });
    }
  });

  it('goes on from certificate to certificate', async () => {
    one.begin(thirtyDays);
    await one.clock.pass(39.9 * DAY);
    expect(one.told).toHaveLength(2);
    one.next = await credentials(BEGIN + 40 * DAY, 30);
    await one.clock.pass(0.2 * DAY);
    expect(one.told.slice(2)).toEqual(['40.00 written', '40.00 used']);
  });

  it('that fails is tried again with growing pauses until the end, and says so once; then what to do', async () => {
    one.failure = portolanError('store-unavailable', '', 'nobody there');
    one.begin(thirtyDays);
    await one.clock.pass(20 * DAY + 60_000);
    const early = one.told.filter((line) => line.endsWith('in vain')).length;
    expect(early).toBeGreaterThan(1);
    expect(early).toBeLessThan(6);
    await one.clock.pass(10.1 * DAY);
    expect(one.told.filter((line) => line.includes('could not be renewed'))).toHaveLength(1);
    expect(one.told.filter((line) => line.endsWith('in vain')).length).toBeGreaterThan(240);
    expect(one.told.find((line) => line.includes('ended at'))).toMatch(/^30\.\d\d the certificate of this node ended at .*; the data path stays as it is$/);
    expect(one.access.status()).toMatchObject({ state: 'ended', fix: expect.stringContaining('--join') });
    one.failure = undefined;
    one.next = await credentials(BEGIN + 30 * DAY, 30);
    await one.clock.pass(DAY);
    expect(one.access.status().state).toBe('granted');
  });

  it('of one that was revoked is refused, and told once', async () => {
    one.failure = portolanError('unauthorized', '', 'revoked');
    one.begin(thirtyDays);
    await one.clock.pass(21 * DAY);
    expect(one.told.filter((line) => line.includes('refuses the credentials'))).toEqual([
      '20.00 the control plane refuses the credentials of this node; the data path stays as it is',
    ]);
    expect(one.access.status()).toMatchObject({ state: 'refused', message: 'revoked', fix: expect.stringContaining('portolan token create') });
  });

  it('is early where Redis or etcd does not know the node, but not again and again', async () => {
    const renewal = one.begin(thirtyDays);
    one.next = thirtyDays;
    for (let second = 0; second < 600; second += 1) {
      renewal.ask();
      await one.clock.pass(1_000);
    }
    expect(one.told.filter((line) => line.endsWith('used')).length).toBeGreaterThan(0);
    expect(one.told.filter((line) => line.endsWith('used')).length).toBeLessThanOrEqual(3);
  });

  it('before its time is asked for ever more seldom where the control plane does not do that, and comes at its time', async () => {
    const renewal = one.begin(thirtyDays);
    one.failure = portolanError('forbidden', '', 'not yet');
    for (let minute = 0; minute < 60; minute += 1) {
      renewal.ask();
      await one.clock.pass(60_000);
    }
    const asked = one.told.filter((line) => line.endsWith('in vain')).length;
    expect(asked).toBeGreaterThan(4);
    expect(asked).toBeLessThan(10);
    expect(one.access.status().state).toBe('unknown');
    one.failure = undefined;
    await one.clock.pass(20 * DAY);
    expect(one.told.slice(-2)).toEqual(['20.00 written', '20.00 used']);
  });

  it('stops', async () => {
    const renewal = one.begin(thirtyDays);
    await renewal.stop();
    expect(one.clock.timers).toEqual([]);
    await one.clock.pass(40 * DAY);
    expect(one.told).toEqual([]);
  });

  it('knows the life of a certificate by the certificate', () => {
    expect(lifeOf(thirtyDays)).toEqual({ from: BEGIN, until: BEGIN + 30 * DAY });
  });
});
