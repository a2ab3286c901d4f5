import { Text, UnstyledButton } from '@mantine/core';
import classes from './drawing.module.css';
import { type Lane, laneTitles, words } from './lanes.js';
import { isAsWanted, type Stage, type Step, type Visit, visitsOf } from './stages.js';

/** Pixels of a namespace with the gap behind it, at least; and of the edges of a host. */
const STAGE_WIDTH = 136;
const EDGES = 4;

interface DrawingProps {
  readonly steps: readonly Step[];
  readonly parting: Step | undefined;
  readonly isBoth: boolean;
  readonly chosen: number;
  readonly onStep: (step: number) => void;
}

/**
 * The walk over hosts and their namespaces, the request and the answer beneath it. A host on which both walks do the same is drawn once, one on
 * which they do not in two lanes, hop beneath hop.
 */
export function Drawing(props: DrawingProps) {
  const visits = visitsOf(props.steps);
  return [false, true].map((isReply) => {
    const own = visits.filter((visit) => visit.isReply === isReply);
    if (own.length === 0) return null;
    return (
      <section key={String(isReply)} aria-label={isReply ? 'The answer' : 'The request'}>
        <Text size="xs" fw={600} c="dimmed" mb={4}>
          {isReply ? 'The answer' : 'The request'}
        </Text>
        <ol className={classes.visits}>
          {own.map((visit) => (
            <VisitBox key={visit.stages[0]?.steps[0]?.index} visit={visit} {...props} />
          ))}
        </ol>
      </section>
    );
  });
}

function VisitBox({ visit: { node, stages }, ...props }: DrawingProps & { readonly visit: Visit }) {
  const steps = stages.flatMap((stage) => stage.steps);
  const isDivided = props.isBoth && !steps.every(isAsWanted);
  const isUnseen = isDivided && steps.every(({ seen }) => seen === undefined);
  const isUnwanted = isDivided && steps.every(({ wanted }) => wanted === undefined);
  const lanes: readonly Lane[] = isUnseen ? ['wanted'] : isUnwanted ? ['seen'] : isDivided ? ['wanted', 'seen'] : [];
  const note = isUnseen ? 'it was not seen to come here' : isUnwanted ? 'it should not come here' : '';
  return (
    <li
      className={classes.visit}
      data-unseen={isUnseen || undefined}
      data-divided={isDivided || undefined}
      style={{ flex: `${stages.length} 1 ${stages.length * STAGE_WIDTH + EDGES}px` }}
    >
      <div className={classes.node}>
        <strong>{node ?? ' '}</strong> {note}
      </div>
      {(lanes.length === 0 ? [undefined] : lanes).map((lane) => (
        <section key={lane ?? ''} aria-label={lane === undefined ? undefined : laneTitles[lane]}>
          {lanes.length > 1 && lane !== undefined && (
            <div className={classes.lane} data-lane={lane}>
              {laneTitles[lane]}
            </div>
          )}
          <ol className={classes.stages}>
            {stages.map((stage) => (
              <StageBox key={stage.steps[0]?.index} stage={stage} lane={lane} {...props} />
            ))}
          </ol>
        </section>
      ))}
    </li>
  );
}

function StageBox({
  stage: { place, steps },
  lane,
  parting,
  chosen,
  onStep,
}: Omit<DrawingProps, 'steps'> & { readonly stage: Stage; readonly lane: Lane | undefined }) {
  const isEmpty = lane !== undefined && steps.every((step) => step[lane] === undefined);
  return (
    <li className={classes.stage} data-empty={isEmpty || undefined}>
      <div className={classes.title} title={place.title}>
        {place.title}
      </div>
      {steps.map((step) => {
        const hop = lane === undefined ? (step.seen ?? step.wanted) : step[lane];
        const isParting = step === parting;
        return (
          <div key={step.index}>
            {isParting && <div className={classes.parting}>parts here</div>}
            {hop === undefined ? (
              <div className={classes.gap} aria-hidden />
            ) : (
              <UnstyledButton
                className={classes.hop}
                data-chosen={step.index === chosen || undefined}
                data-differs={lane === undefined || isAsWanted(step) ? undefined : lane}
                onClick={() => onStep(step.index)}
                title={hop.text}
              >
                <span>{words(hop.kind)}</span>
                <span className={classes.device}>{hop.device ?? ''}</span>
              </UnstyledButton>
            )}
          </div>
        );
      })}
    </li>
  );
}
