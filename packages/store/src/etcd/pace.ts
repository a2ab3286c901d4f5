/** Passes on that something changed: the first time at once, and then at most once each pause, for all that came in between. */
export interface Pace {
  offer(): void;
  /** Nothing is delivered from now on. */
  stop(): void;
}

/** `deliver` is called at most every `pause` ms, and after the last offer always. */
export function paced(pause: number, deliver: () => void): Pace {
  let timer: NodeJS.Timeout | undefined;
  let state: 'idle' | 'pausing' | 'owing' | 'stopped' = 'idle';
  function settle(): void {
    const owes = state === 'owing';
    state = 'idle';
    if (owes) offer();
  }
  function offer(): void {
    if (state === 'pausing') state = 'owing';
    if (state !== 'idle') return;
    state = 'pausing';
    timer = setTimeout(settle, pause);
    deliver();
  }
  return {
    offer,
    stop() {
      state = 'stopped';
      clearTimeout(timer);
    },
  };
}
