import { useWindowEvent } from '@mantine/hooks';
import { Drawing } from './drawing.js';
import type { Step } from './stages.js';
import { StepCard } from './step-card.js';

interface WalkProps {
  readonly steps: readonly Step[];
  readonly parting: Step | undefined;
  readonly isBoth: boolean;
  readonly at: number;
  readonly onStep: (step: number) => void;
}

/** A path drawn over the namespaces that it passes, with the packet at the hop that is looked at; the arrow keys step through it. */
export function Walk({ steps, parting, isBoth, at, onStep }: WalkProps) {
  const last = Math.max(0, steps.length - 1);
  const chosen = Math.min(Math.max(Number.isInteger(at) ? at : 0, 0), last);
  const step = (by: number): void => onStep(Math.min(Math.max(chosen + by, 0), last));
  useWindowEvent('keydown', ({ key, target }) => {
    if (target instanceof HTMLInputElement || steps.length === 0) return;
    if (key === 'ArrowRight') step(1);
    if (key === 'ArrowLeft') step(-1);
  });
  const shown = steps[chosen];
  if (shown === undefined) return null;
  return (
    <>
      <StepCard step={shown} count={steps.length} isBoth={isBoth} onStep={step} />
      <Drawing steps={steps} parting={parting} isBoth={isBoth} chosen={chosen} onStep={onStep} />
    </>
  );
}
