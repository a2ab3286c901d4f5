import type { ShownHop } from './documents.js';

export const laneTitles = { wanted: 'As it should be', seen: 'As it was seen' } as const;
export type Lane = keyof typeof laneTitles;

/** Such as `ingress sandbox on node3`. */
export function placeText({ node, title }: ShownHop['place']): string {
  return node === null ? title : `${title} on ${node}`;
}

/** A word of the API as people read it. */
export function words(text: string): string {
  return text.replaceAll('_', ' ');
}
