import { specOfConfig } from '@portolan/flannel';
import { flannelSpecOf, parseFlannel, setFlannel } from '@portolan/intent';
import { FLANNEL_PREFIX, type Flannel, type FlannelSpec, portolanError, type Snapshot } from '@portolan/model';
import { Type } from 'typebox';
import type { Actor } from './actor.js';
import { commitEdit, dryRun, type Outcome } from './commit.js';
import type { Context } from './context.js';
import { flannelOf } from './flannel-status.js';
import { parsed } from './parse.js';
import { refuseSharedPrefix } from './shared-prefix.js';

/** The flannel network as every door shows it: its spec, and its version. */
export type FlannelRepresentation = FlannelSpec & { readonly version: number; readonly leaving: boolean };

export function flannelRepresentation(snapshot: Snapshot, flannel: Flannel = flannelOf(snapshot)): FlannelRepresentation {
  return { ...flannelSpecOf(flannel, snapshot.nodes), version: flannel.version, leaving: flannel.leaving };
}

export interface FlannelChangeOptions {
  readonly dryRun?: boolean;
  /** Refuse when the network has another version. */
  readonly version?: number | undefined;
}

/** Takes a spec, or the network as it was read: then its `version` guards the change like If-Match. */
export async function setClusterFlannel(
  ctx: Context,
  actor: Actor,
  cluster: string,
  document: unknown,
  { dryRun: dry = false, version }: FlannelChangeOptions = {},
): Promise<Outcome> {
  const read = withoutReadOnly(document);
  const spec = parseFlannel(read.spec);
  await refuseSharedPrefix(ctx, cluster, spec.prefix);
  const edit = (snapshot: Snapshot): Snapshot => setFlannel(snapshot, spec, version ?? read.version);
  return dry ? dryRun(ctx, cluster, edit) : commitEdit(ctx, actor, cluster, `set flannel network ${spec.network}`, edit);
}

/** Gives back the leases of our nodes, and then the network is gone. Throws `not-found` where there is none. */
export function deleteClusterFlannel(ctx: Context, actor: Actor, cluster: string, version?: number): Promise<Outcome> {
  return commitEdit(ctx, actor, cluster, 'delete flannel network', (snapshot) => {
    flannelOf(snapshot);
    return setFlannel(snapshot, null, version);
  });
}

export const AdoptRequestSchema = Type.Object(
  {
    prefix: Type.Optional(
      Type.String({ pattern: '^/[!-~]{1,254}$', default: FLANNEL_PREFIX, description: 'Prefix of the registry in etcd, as flanneld has it in -etcd-prefix.' }),
    ),
  },
  { additionalProperties: false },
);

/** Makes what a registry in etcd describes the flannel network of the cluster. Its leases appear as foreign nodes, or as those of our nodes with the same address. */
export async function adoptClusterFlannel(ctx: Context, actor: Actor, cluster: string, request: unknown): Promise<Outcome> {
  const { prefix = FLANNEL_PREFIX } = parsed(AdoptRequestSchema, request ?? {});
  refuseSecond(await ctx.store.snapshot(cluster));
  await refuseSharedPrefix(ctx, cluster, prefix);
  const { config } = await ctx.registry.read(prefix);
  if (config === null) {
    throw portolanError('not-found', '/prefix', `etcd has no configuration at ${prefix}/config`, {
      fix: 'Name the prefix that flanneld was started with (-etcd-prefix), or set a new network.',
    });
  }
  const spec = parseFlannel(specOfConfig(config.value, prefix));
  return commitEdit(ctx, actor, cluster, `adopt flannel network ${spec.network} at ${prefix}`, (snapshot) => {
    refuseSecond(snapshot);
    return setFlannel(snapshot, spec);
  });
}

function refuseSecond({ cluster, flannel }: Snapshot): void {
  if (flannel === null) return;
  throw portolanError('in-use', '', `cluster ${cluster.name} has the flannel network ${flannel.network} already`, {
    fix: 'Change it, or delete it first.',
  });
}

const readOnly = ['version', 'leaving'];

function withoutReadOnly(document: unknown): { readonly spec: unknown; readonly version?: number } {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return { spec: document };
  const { version } = document as { readonly version?: unknown };
  const spec = Object.fromEntries(Object.entries(document).filter(([field]) => !readOnly.includes(field)));
  return { spec, ...(typeof version === 'number' ? { version } : {}) };
}
