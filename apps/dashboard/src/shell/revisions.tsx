import { Text, Tooltip } from '@mantine/core';
import { useMovement } from '../api/live.js';
import { StateBadge } from '../parts/state-badge.js';

/** How far the cluster has come: the revision that is wanted, and that which every node has applied. */
export function Revisions() {
  const { intentRevision, computedRevision, appliedRevision } = useMovement();
  if (intentRevision === null || appliedRevision === null) return null;
  const isApplied = appliedRevision >= intentRevision;
  return (
    <Tooltip label={`Intent ${intentRevision}, computed ${computedRevision}, applied by every node ${appliedRevision}`}>
      <span>
        <StateBadge tone={isApplied ? 'good' : 'busy'}>
          {isApplied ? `revision ${intentRevision} applied` : `revision ${appliedRevision} → ${intentRevision}`}
        </StateBadge>
        <Text span hidden data-testid="applied">
          {appliedRevision}
        </Text>
      </span>
    </Tooltip>
  );
}
