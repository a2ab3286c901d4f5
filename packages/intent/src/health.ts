import { isSameHealthCheck } from '@portolan/model';
import type { Edit } from './edit.js';

/** What a check found says nothing about another one: endpoints of services with a changed check are probed anew. */
export function resetHealth(edit: Edit): void {
  for (const [id, service] of edit.services) {
    const before = edit.base.services.get(id);
    if (service === null || before === undefined || isSameHealthCheck(before.healthCheck, service.healthCheck)) continue;
    for (const endpointId of edit.ledger.relations.endpointsOf(id)) {
      const endpoint = edit.endpoint(endpointId);
      if (endpoint !== undefined && endpoint.health !== 'unknown') edit.endpoints.set(endpointId, { ...endpoint, health: 'unknown' });
    }
  }
}
