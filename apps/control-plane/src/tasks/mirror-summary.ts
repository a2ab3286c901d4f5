import type { FlannelLease, Snapshot } from '@portolan/model';

/** Names as many as a line holds. */
const MOST_NAMED = 3;

/** What a reading of the registry brings, for the audit trail: "lease 10.244.3.0-24 of 172.16.130.150 (foreign) came". */
export function mirrorSummary({ nodes, flannelLeases: before }: Snapshot, now: ReadonlyMap<string, FlannelLease>): string {
  const ownerOf = ({ nodeId, publicAddress, fault }: FlannelLease): string => {
    if (nodeId !== null) return ` of ${nodes.get(nodeId)?.name ?? nodeId}`;
    if (publicAddress !== null) return ` of ${publicAddress} (foreign)`;
    return fault === null ? '' : ' (unreadable)';
  };
  const lines: string[] = [];
  for (const lease of now.values()) {
    const was = before.get(lease.key);
    if (was !== lease) lines.push(`lease ${lease.key}${ownerOf(lease)} ${was === undefined ? 'came' : 'changed'}`);
  }
  for (const lease of before.values()) if (!now.has(lease.key)) lines.push(`lease ${lease.key}${ownerOf(lease)} went`);
  const more = lines.length - MOST_NAMED;
  return more > 0 ? `${lines.slice(0, MOST_NAMED).join(', ')} and ${more} more` : lines.join(', ');
}
