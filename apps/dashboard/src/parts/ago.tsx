import { Tooltip } from '@mantine/core';
import { useEffect, useState } from 'react';

const steps: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];
const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' });

function agoOf(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  const [unit, length] = steps.find(([, size]) => seconds >= size) ?? ['second', 1];
  return seconds < 1 ? 'now' : words.format(-Math.floor(seconds / length), unit);
}

/** How long ago a time was, by the clock of the browser; the exact time on hovering. */
export function Ago({ at }: { readonly at: string }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const time = Date.parse(at);
  return (
    <Tooltip label={new Date(time).toLocaleString()}>
      <time dateTime={at}>{agoOf(time, now)}</time>
    </Tooltip>
  );
}
