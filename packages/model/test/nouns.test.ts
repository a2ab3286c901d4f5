import { ClusterSettingsSchema, defaultClusterSettings, errorCatalogue, ipv4Value, nounCollections, nounKinds, nounSchemas, parseIpv4 } from '@portolan/model';
import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';

describe('settings', () => {
  it('have the defaults that their schema documents', () => {
    expect(Value.Default(ClusterSettingsSchema, {})).toEqual(defaultClusterSettings);
    expect(Value.Check(ClusterSettingsSchema, defaultClusterSettings)).toBe(true);
  });
});

describe('kinds', () => {
  it('have a schema and a collection each', () => {
    expect(Object.keys(nounSchemas).sort()).toEqual([...nounKinds].sort());
    expect(Object.keys(nounCollections).sort()).toEqual([...nounKinds].sort());
  });
});

describe('errors', () => {
  it.each(Object.entries(errorCatalogue))('%s has a status and says what to do', (_code, { status, fix }) => {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(fix).toMatch(/^[A-Z].+\.$/);
  });
});

describe('ipv4Value', () => {
  it.each(['0.0.0.0', '10.0.0.20', '255.255.255.255'])('agrees with parseIpv4 about %s', (address) => {
    expect(ipv4Value(address)).toBe(parseIpv4(address));
  });

  it.each(['', '10.0.0', '010.0.0.1', '10.0.0.256', 'host'])('knows no %j', (text) => {
    expect(ipv4Value(text)).toBeUndefined();
  });
});
