import type { Id } from '@portolan/model';
import type { ObjectBody, Space } from '@portolan/node-state';
import type { Step } from '@portolan/plan';

export { keyOfStep } from '@portolan/plan';

export function endpointOfSpace(space: Space): Id | undefined {
  return space.startsWith('endpoint:') ? space.slice('endpoint:'.length) : undefined;
}

/** The endpoints that an object is about: those in whose namespaces it, or an end of it, is. */
export function endpointsOf(space: Space, body: ObjectBody | undefined): readonly Id[] {
  const spaces = body?.kind === 'veth' ? [space, body.peer.space] : [space];
  return spaces.map(endpointOfSpace).filter((id) => id !== undefined);
}

export function endpointsOfStep(step: Step): readonly Id[] {
  const { space, body } = step.action === 'delete' ? step.observed : step.object;
  return endpointsOf(space, body);
}
