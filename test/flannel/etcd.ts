/** An entry of etcd as a client sees it. */
export interface EtcdEntry {
  readonly key: string;
  readonly value: string;
  /** Decimal; "0" without a lease. */
  readonly lease: string;
  readonly modRevision: string;
}

/** etcd by its JSON gateway: what flanneld does, without the client of the product. */
export interface EtcdClient {
  /** All entries whose keys start so, in the order of the keys. */
  range(prefix: string): Promise<readonly EtcdEntry[]>;
  get(key: string): Promise<EtcdEntry | undefined>;
  put(key: string, value: string, lease?: string): Promise<void>;
  remove(key: string): Promise<void>;
  /** A new lease, by its id. */
  grant(seconds: number): Promise<string>;
  revoke(lease: string): Promise<void>;
  /** TTL that the lease was granted with, and what is left of it, in seconds; both -1 when it is gone. */
  timeToLive(lease: string): Promise<{ readonly granted: number; readonly left: number }>;
  /** Ids of all leases. */
  leases(): Promise<readonly string[]>;
  /** Forgets everything before the present revision; returns that. */
  compact(): Promise<string>;
}

interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly lease?: string;
  readonly mod_revision: string;
}

const encoded = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const decoded = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString('utf8');

/** The end of the range of all keys with the prefix (etcd API, RangeRequest.range_end): its last byte is one more. */
function rangeEnd(prefix: string): string {
  const bytes = Buffer.from(prefix, 'utf8');
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes.toString('base64');
}

export function etcdClient(endpoint: string): EtcdClient {
  async function call<T>(path: string, body: object): Promise<T> {
    const answer = await fetch(`${endpoint}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`etcd ${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  }
  const entries = async (body: object): Promise<readonly EtcdEntry[]> => {
    const { kvs = [] } = await call<{ kvs?: readonly KeyValue[] }>('kv/range', body);
    return kvs.map(({ key, value, lease = '0', mod_revision: modRevision }) => ({ key: decoded(key), value: decoded(value), lease, modRevision }));
  };
  return {
    range: (prefix) => entries({ key: encoded(prefix), range_end: rangeEnd(prefix) }),
    get: async (key) => (await entries({ key: encoded(key) }))[0],
    async put(key, value, lease) {
      await call('kv/put', { key: encoded(key), value: encoded(value), ...(lease !== undefined && { lease }) });
    },
    async remove(key) {
      await call('kv/deleterange', { key: encoded(key) });
    },
    grant: async (seconds) => (await call<{ ID: string }>('lease/grant', { TTL: String(seconds) })).ID,
    async revoke(lease) {
      await call('lease/revoke', { ID: lease });
    },
    async timeToLive(lease) {
      const { TTL = '-1', grantedTTL = '-1' } = await call<{ TTL?: string; grantedTTL?: string }>('lease/timetolive', { ID: lease });
      return { granted: Number(grantedTTL), left: Number(TTL) };
    },
    leases: async () => ((await call<{ leases?: readonly { ID: string }[] }>('lease/leases', {})).leases ?? []).map(({ ID }) => ID),
    async compact() {
      const { header } = await call<{ header: { revision: string } }>('kv/range', { key: encoded('/') });
      await call('kv/compaction', { revision: header.revision, physical: true });
      return header.revision;
    },
  };
}
