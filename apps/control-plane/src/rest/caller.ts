import type { FastifyRequest } from 'fastify';
import type { Actor } from '../application/actor.js';

/** Who asks. */
export function callerOf(request: FastifyRequest): Actor {
  return { name: 'rest', from: request.ip };
}
