/** Says whether one more may go at a time (milliseconds): at most `rate` a second, and `burst` at once. */
export function tokenBucket(rate: number, burst: number): (now: number) => boolean {
  let tokens = burst;
  let filled = 0;
  return (now) => {
    tokens = Math.min(burst, tokens + ((now - filled) * rate) / 1_000);
    filled = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
