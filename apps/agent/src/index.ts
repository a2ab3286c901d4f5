export { createAgent } from './agent.js';
export { systemClock } from './clock.js';
export { httpControlPlane } from './control-plane.js';
export { type AgentNameServer, type NameServerPorts, openNameServer } from './dns/name-server.js';
export { type LedgerFile, ledgerFile } from './ledger.js';
export { agentMetrics } from './metrics.js';
export type { Agent, AgentConfig, AgentPorts, AgentStatus } from './ports.js';
