import { Alert, Button, Card, Checkbox, Group, NumberInput, Select, Stack, Text } from '@mantine/core';
import { IconArrowBackUp, IconCheck, IconPlayerPause, IconPlayerPlay, IconTrash } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useNavigate } from 'react-router';
import { type CombinedError, useMutation } from 'urql';
import { Fault } from '../../parts/fault.js';
import { tones } from '../../shell/theme.js';
import {
  ApplyPlanDocument,
  ConfirmPlanDocument,
  DiscardPlanDocument,
  PausePlanDocument,
  PlanBackDocument,
  ResumePlanDocument,
  RollBackPlanDocument,
} from './documents.js';
import type { Plan } from './node-plans.js';

interface ActionsProps {
  readonly cluster: string;
  readonly plan: Plan;
  /** Of the cluster, now. */
  readonly revision: number;
}

/** What can be done with a plan as it stands. */
export function PlanActions({ cluster, plan, revision }: ActionsProps) {
  const of = { cluster, id: plan.id };
  const [paused, pause] = useMutation(PausePlanDocument);
  const [resumed, resume] = useMutation(ResumePlanDocument);
  const [confirmed, confirm] = useMutation(ConfirmPlanDocument);
  const [rolledBack, rollBack] = useMutation(RollBackPlanDocument);
  const error = [paused, resumed, confirmed, rolledBack].map(({ error: own }) => own).find((own): own is CombinedError => own !== undefined);
  const back = (
    <Button variant="default" leftSection={<IconArrowBackUp size={16} />} onClick={() => void rollBack(of)} loading={rolledBack.fetching}>
      Roll back
    </Button>
  );
  switch (plan.status) {
    case 'planned':
      return <ApplyPlan cluster={cluster} plan={plan} revision={revision} />;
    case 'rolling':
      return (
        <Row error={error}>
          <Button variant="default" leftSection={<IconPlayerPause size={16} />} onClick={() => void pause(of)} loading={paused.fetching}>
            Pause
          </Button>
          {back}
        </Row>
      );
    case 'paused':
      return (
        <Row error={error}>
          <Button leftSection={<IconPlayerPlay size={16} />} onClick={() => void resume(of)} loading={resumed.fetching}>
            Go on
          </Button>
          {back}
        </Row>
      );
    case 'confirming':
      return (
        <Row error={error}>
          <Button color={tones.good} leftSection={<IconCheck size={16} />} onClick={() => void confirm(of)} loading={confirmed.fetching}>
            Confirm
          </Button>
          {back}
        </Row>
      );
    case 'applied':
      return <PlanBack cluster={cluster} plan={plan} revision={revision} />;
    default:
      return null;
  }
}

function Row({ error, children }: { readonly error: CombinedError | undefined; readonly children: ReactNode }) {
  return (
    <Stack gap="xs">
      <Group gap="xs">{children}</Group>
      {error !== undefined && <Fault error={error} />}
    </Stack>
  );
}

/** An applied change is taken back by a plan of its own, which is looked at like every other. */
function PlanBack({ cluster, plan, revision }: ActionsProps) {
  const navigate = useNavigate();
  const [{ error, fetching }, planBack] = useMutation(PlanBackDocument);
  async function make(): Promise<void> {
    const { data } = await planBack({ cluster, to: plan.baseRevision, summary: `back to revision ${plan.baseRevision}` });
    if (data !== undefined) void navigate(`../plans/${data.createChangeset.id}`, { relative: 'path' });
  }
  return (
    <Row error={error}>
      <Button variant="default" leftSection={<IconArrowBackUp size={16} />} onClick={() => void make()} loading={fetching}>
        Plan the way back
      </Button>
      {plan.revision != null && revision > plan.revision && (
        <Text size="sm" c="dimmed">
          takes back everything since revision {plan.baseRevision}
        </Text>
      )}
    </Row>
  );
}

const failureActions = ['pause', 'continue', 'rollback'] as const;

function ApplyPlan({ cluster, plan, revision }: ActionsProps) {
  const [applied, apply] = useMutation(ApplyPlanDocument);
  const [discarded, discard] = useMutation(DiscardPlanDocument);
  const [override, setOverride] = useState<string[]>([]);
  const [parallelism, setParallelism] = useState(1);
  const [delay, setDelay] = useState(0);
  const [monitor, setMonitor] = useState(5);
  const [failureAction, setFailureAction] = useState<(typeof failureActions)[number]>('rollback');
  const [confirmWithin, setConfirmWithin] = useState(0);
  const isStale = revision !== plan.baseRevision;
  const isBlocked = plan.blockers.some(({ override: name }) => !override.includes(name));
  const error = applied.error ?? discarded.error;
  return (
    <Card withBorder>
      <Stack gap="sm">
        {isStale && (
          <Alert color={tones.warn} variant="light" title="The cluster has moved on">
            This was planned on revision {plan.baseRevision}, and the cluster is at {revision}. Plan it anew.
          </Alert>
        )}
        {plan.blockers.length > 0 && (
          <Checkbox.Group value={override} onChange={setOverride} label="This would break what works now; who wants it all the same says so:">
            <Stack gap="xs" mt="xs">
              {plan.blockers.map(({ override: name, message, fix }) => (
                <Checkbox key={name} value={name} label={message} description={fix} />
              ))}
            </Stack>
          </Checkbox.Group>
        )}
        <Group gap="sm" align="flex-end">
          <NumberInput label="Nodes at once" min={0} value={parallelism} onChange={(value) => setParallelism(Number(value))} w={120} description="0: all" />
          <NumberInput label="Pause between" min={0} value={delay} onChange={(value) => setDelay(Number(value))} w={120} suffix=" s" description="batches" />
          <NumberInput
            label="Watch each for"
            min={0}
            value={monitor}
            onChange={(value) => setMonitor(Number(value))}
            w={120}
            suffix=" s"
            description="its VIPs are dialled"
          />
          <Select
            label="When a node fails"
            data={[...failureActions]}
            value={failureAction}
            allowDeselect={false}
            onChange={(value) => setFailureAction(failureActions.find((word) => word === value) ?? 'rollback')}
            w={140}
            description="the whole rollout"
          />
          <NumberInput
            label="Confirm within"
            min={0}
            value={confirmWithin}
            onChange={(value) => setConfirmWithin(Number(value))}
            w={140}
            suffix=" s"
            description="0: not needed"
          />
        </Group>
        <Group gap="xs">
          <Button
            onClick={() => void apply({ cluster, id: plan.id, override, rollout: { parallelism, delay, monitor, failureAction }, confirmWithin })}
            loading={applied.fetching}
            disabled={isStale || isBlocked}
          >
            Apply
          </Button>
          <Button variant="default" leftSection={<IconTrash size={16} />} onClick={() => void discard({ cluster, id: plan.id })} loading={discarded.fetching}>
            Discard
          </Button>
        </Group>
        {error !== undefined && <Fault error={error} />}
      </Stack>
    </Card>
  );
}
