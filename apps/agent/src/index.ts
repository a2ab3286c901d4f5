export { type Agent, type AgentConfig, type AgentPorts, type AgentStatus, createAgent } from './agent.js';
