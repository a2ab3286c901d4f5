import type { ObservedObject } from '@portolan/node-state';

/**
 * The names that lead to a VIP of which the data path is not there, in words. `vips`: `NETWORK ADDRESS` of what is, or was, a VIP. `tampered`: keys of what somebody
 * else may have taken away, which nobody is to blame for.
 */
export function brokenNames(
  objects: ReadonlyMap<string, ObservedObject>,
  names: ReadonlyMap<string, ObservedObject>,
  vips: ReadonlySet<string>,
  tampered: ReadonlySet<string>,
): ReadonlySet<string> {
  const broken = new Set<string>();
  if (names.size === 0) return broken;
  const servers = new Set<string>();
  const marks = new Map<string, string>();
  for (const { space, body } of objects.values()) {
    if (body?.kind === 'virtual-server') servers.add(`${space} ${body.mark}`);
    if (body?.kind === 'mark' && body.match.stage === 'input') marks.set(body.match.destination, `${space} ${body.mark}`);
  }
  for (const [key, { body }] of names) {
    if (body?.kind !== 'dns-name') continue;
    for (const address of body.addresses) {
      if (!vips.has(`${body.network} ${address}`)) continue;
      const mark = marks.get(address);
      const isTaken = [...tampered].some(
        (one) => one.endsWith(`/input/${address}`) || (mark !== undefined && one === `virtual-server/${mark.replace(' ', '/')}`),
      );
      if (!isTaken && (mark === undefined || !servers.has(mark))) broken.add(`${key} to ${address}`);
    }
  }
  return broken;
}
