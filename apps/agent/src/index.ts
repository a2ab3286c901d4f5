export { createAgent } from './agent.js';
export { type AgentNameServer, type NameServerPorts, openNameServer } from './dns/name-server.js';
export type { Agent, AgentConfig, AgentPorts, AgentStatus } from './ports.js';
