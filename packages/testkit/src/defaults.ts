/**
 * What a noun has that a test says nothing of: every field but its identity, what it refers to, and what is allocated. A new field of
 * the model is added here once. Nothing has been seen or probed.
 */
const stored = { version: 1, labels: {} } as const;

export const nodeDefaults = {
  ...stored,
  role: 'worker',
  availability: 'active',
  loadBalancers: [],
  underlayMtu: null,
  underlayLink: null,
  onLink: [],
  condition: 'unknown',
} as const;

export const networkDefaults = {
  ...stored,
  ingress: false,
  extraSubnets: [],
  mtu: null,
  internal: false,
  attachable: false,
  dsr: false,
  ipvsTimeouts: null,
} as const;

export const serviceDefaults = {
  ...stored,
  endpointMode: 'vip',
  scheduler: 'rr',
  persistence: 0,
  networks: [],
  ports: [],
  healthCheck: null,
  drainSeconds: null,
} as const;

export const portDefaults = { protocol: 'tcp', mode: 'ingress', externalTrafficPolicy: 'cluster', addresses: [], interfaces: [] } as const;

export const endpointDefaults = {
  ...stored,
  weight: 1,
  addresses: [],
  aliases: [],
  gatewayAddress: null,
  presence: 'unknown',
  health: 'unknown',
  drain: null,
  flannel: null,
} as const;

/** Without network and backend. */
export const flannelDefaults = {
  prefix: '/coreos.com/network',
  subnetLen: null,
  subnetMin: null,
  subnetMax: null,
  masquerade: true,
  cni: true,
  reservations: [],
  registry: {},
  retiring: [],
  leaving: false,
  backendRevision: 1,
  leasesRevision: 1,
  version: 1,
} as const;
