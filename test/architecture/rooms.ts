/**
 * Who may enter which room: for each workspace the workspaces it may import. This table is the rule; a test
 * compares it with the imports, the dependencies of each package.json and the references of each tsconfig.
 */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  model: [],
  ipam: ['model', 'flannel'],
  'node-state': ['model'],
  flannel: ['model', 'node-state'],
  check: ['model', 'flannel'],
  intent: ['model', 'flannel', 'ipam', 'check'],
  compute: ['model', 'flannel', 'node-state'],
  plan: ['model', 'node-state'],
  render: ['model', 'node-state', 'plan'],
  dump: ['model', 'node-state'],
  swarm: ['model', 'dump'],
  explain: ['model', 'node-state'],
  protocol: ['model', 'node-state', 'plan'],
  store: ['model', 'flannel', 'node-state', 'plan', 'protocol'],
  kernel: ['model', 'node-state', 'plan', 'render'],
  testkit: ['model', 'ipam', 'check', 'intent', 'node-state', 'compute', 'plan'],
  harness: ['model'],
  'control-plane': ['model', 'flannel', 'check', 'ipam', 'intent', 'node-state', 'compute', 'explain', 'plan', 'render', 'protocol', 'store'],
  agent: ['model', 'node-state', 'plan', 'render', 'protocol', 'kernel', 'store'],
  // It knows the published API only.
  dashboard: [],
  cli: ['model', 'flannel', 'intent', 'node-state', 'compute', 'plan', 'render', 'dump', 'swarm'],
  lab: ['model', 'harness'],
};

/** Pure rooms: nothing of Node, no clock, no randomness. */
export const pureRooms: readonly string[] = [
  'model',
  'flannel',
  'ipam',
  'node-state',
  'check',
  'intent',
  'compute',
  'plan',
  'render',
  'dump',
  'swarm',
  'explain',
  'protocol',
  'testkit',
];

/** Ports that a room opens beside its front door; an agent must not load the database client with its queue. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  store: ['postgres', 'queue', 'etcd', 'access', 'memory'],
  kernel: ['sockets', 'privileges'],
};
