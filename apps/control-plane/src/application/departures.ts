import { cancelDrain, drainEndpoint, removeEndpoint } from '@portolan/intent';
import type { Endpoint, Snapshot } from '@portolan/model';
import { Type } from 'typebox';
import type { Actor } from './actor.js';
import { commitEdit, type Edit, type Outcome } from './commit.js';
import type { Context } from './context.js';
import { objectNamed } from './objects.js';
import { parsed } from './parse.js';

/** `endpoint`: as it was before. */
export interface Departure extends Outcome {
  readonly endpoint: Endpoint;
}

/** Deletes it at once when it is sent nothing or `force` is given; else drains it, and it is deleted when it is drained. */
export function deleteEndpoint(
  ctx: Context,
  actor: Actor,
  cluster: string,
  name: string,
  { force = false, version }: { readonly force?: boolean | undefined; readonly version?: number | undefined } = {},
): Promise<Departure> {
  const how = { now: ctx.clock.now().getTime(), force, ...(version === undefined ? {} : { version }) };
  return departure(ctx, actor, cluster, name, `delete endpoint ${name}${force ? ' at once' : ''}`, (snapshot) => removeEndpoint(snapshot, name, how));
}

export const DrainRequestSchema = Type.Object(
  {
    seconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 86400,
        description: 'How long connections may last at most; as the service says, or else the cluster, unless given.',
      }),
    ),
    remove: Type.Optional(Type.Boolean({ default: false, description: 'Delete the endpoint when it is drained.' })),
  },
  { additionalProperties: false },
);

/** `request`: what a caller sent; nothing at all asks for the defaults. */
export function startDrain(ctx: Context, actor: Actor, cluster: string, name: string, request: unknown, version?: number): Promise<Departure> {
  const { seconds, remove = false } = parsed(DrainRequestSchema, request ?? {});
  const how = { now: ctx.clock.now().getTime(), removes: remove, ...(seconds === undefined ? {} : { seconds }), ...(version === undefined ? {} : { version }) };
  return departure(ctx, actor, cluster, name, `drain endpoint ${name}`, (snapshot) => drainEndpoint(snapshot, name, how));
}

export function stopDrain(ctx: Context, actor: Actor, cluster: string, name: string): Promise<Departure> {
  return departure(ctx, actor, cluster, name, `cancel the drain of endpoint ${name}`, (snapshot) => cancelDrain(snapshot, name));
}

async function departure(ctx: Context, actor: Actor, cluster: string, name: string, summary: string, edit: Edit): Promise<Departure> {
  const seen: { endpoint?: Endpoint } = {};
  const outcome = await commitEdit(ctx, actor, cluster, summary, (snapshot) => {
    seen.endpoint = objectNamed(snapshot, 'endpoint', name);
    return edit(snapshot);
  });
  return { ...outcome, endpoint: seen.endpoint ?? objectNamed(outcome.snapshot, 'endpoint', name) };
}

/** The endpoint as it is now; as it was when it left, where it is gone already. */
export async function departedEndpoint(
  ctx: Context,
  cluster: string,
  { endpoint, snapshot: committed }: Departure,
): Promise<{ readonly snapshot: Snapshot; readonly endpoint: Endpoint }> {
  const snapshot = await ctx.store.snapshot(cluster);
  const current = snapshot.endpoints.get(endpoint.id);
  return current === undefined ? { snapshot: committed, endpoint: committed.endpoints.get(endpoint.id) ?? endpoint } : { snapshot, endpoint: current };
}
