import type { FastifyRequest } from 'fastify';
import type { Actor } from '../application/actor.js';
import type { Principal } from '../application/credentials/principal.js';

/** Who asks. */
export function callerOf(request: FastifyRequest): Actor {
  return actorOf('rest', request.principal, request.ip);
}

/** The door that a change came through, and who it was where they have a name of their own. */
export function actorOf(door: string, principal: Principal, from: string): Actor {
  return { name: principal.kind === 'person' ? `${door}:${principal.name}` : door, from };
}
