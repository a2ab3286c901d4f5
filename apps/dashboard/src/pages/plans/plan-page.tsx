import { Anchor, Badge, Group, Stack, Text } from '@mantine/core';
import { Link, useParams } from 'react-router';
import { useLive } from '../../api/live.js';
import { Ago } from '../../parts/ago.js';
import { Answer, Page } from '../../parts/page.js';
import { NotFoundPage } from '../not-found-page.js';
import { PlanActions } from './actions.js';
import { PlanDocument } from './documents.js';
import { Flows } from './flows.js';
import { NodePlans } from './node-plans.js';
import { Rollout } from './rollout.js';
import { PlanStatus } from './status.js';

export default function PlanPage() {
  const { cluster = '', id = '' } = useParams();
  const live = useLive(PlanDocument, { cluster, id });
  return (
    <Answer live={live}>
      {(data) => {
        const plan = data.cluster?.changeset;
        if (plan === undefined || plan === null) return <NotFoundPage />;
        return (
          <Page
            title={plan.summary === '' ? `Plan ${plan.id}` : plan.summary}
            about={
              <Group gap="xs">
                <PlanStatus status={plan.status} />
                <span>
                  by {plan.actor}
                  {plan.from === null || plan.from === undefined ? '' : ` from ${plan.from}`}, made <Ago at={plan.createdAt} />, on revision {plan.baseRevision}
                </span>
                {plan.revision !== null && plan.revision !== undefined && (
                  <Anchor component={Link} size="sm" to={`/clusters/${encodeURIComponent(cluster)}/history?from=${plan.baseRevision}&to=${plan.revision}`}>
                    made revision {plan.revision}
                  </Anchor>
                )}
              </Group>
            }
          >
            <PlanActions cluster={cluster} plan={plan} revision={data.cluster?.revision ?? 0} />
            {plan.rollout !== null && plan.rollout !== undefined && <Rollout rollout={plan.rollout} status={plan.status} />}
            <Stack gap="xs">
              <Text fw={600} component="h2">
                What is wanted otherwise
              </Text>
              <Group gap="xs">
                {plan.changes.length === 0 && <Text size="sm">Nothing.</Text>}
                {plan.changes.map(({ action, kind, name }) => (
                  <Badge key={`${kind} ${name}`} variant="default" tt="none" radius="sm" fw={500}>
                    {action} {kind} {name}
                  </Badge>
                ))}
              </Group>
            </Stack>
            {plan.status === 'planned' && <Flows cluster={cluster} plan={plan.id} revision={data.cluster?.revision ?? 0} />}
            <NodePlans nodes={plan.nodes} />
          </Page>
        );
      }}
    </Answer>
  );
}
