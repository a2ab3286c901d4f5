export { type Agent, type AgentConfig, type AgentPorts, type AgentStatus, createAgent } from './agent.js';
export { type AgentNameServer, type NameServerPorts, openNameServer } from './dns/name-server.js';
