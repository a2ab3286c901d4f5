/** One fault: what should be in a namespace of a node and is not, or is there and should not be. */
export interface Finding {
  /** error: requests fail or hang; warning: something is wrong that does not yet harm, or cannot be judged. */
  readonly severity: 'error' | 'warning';
  readonly node: string;
  /** `host`, or the name of the namespace as in /var/run/docker/netns. */
  readonly namespace: string;
  /** What it is about, such as `real-server 10.0.0.6 of web (10.0.0.5)`. */
  readonly object: string;
  readonly kind: 'missing' | 'unexpected' | 'different';
  /** In the words of the tool that shows it, such as `-a -f 257 -r 10.0.0.6:0 -m -w 1`; null of what should not be there. */
  readonly expected: string | null;
  /** The same of what is there; null of what is not. */
  readonly found: string | null;
  /** What a user sees: `one in three requests to web:8000 through node2 hangs`. */
  readonly consequence: string;
  /** The command that mends it, to be run on the node. */
  readonly repair: string;
}
