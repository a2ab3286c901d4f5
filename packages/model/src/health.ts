import type { HealthCheck } from './snapshot.js';

/** Whether what one check found holds for the other. */
export function isSameHealthCheck(a: HealthCheck | null, b: HealthCheck | null): boolean {
  if (a === null || b === null) return a === b;
  return Object.entries(a).every(([field, value]) => value === b[field as keyof HealthCheck]);
}
