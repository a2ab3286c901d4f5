/** What `explain` answers, as far as it is shown. */
export interface ExplanationAnswer {
  readonly from: string;
  readonly to: string;
  readonly view: 'desired' | 'observed';
  readonly resolution: { readonly text: string } | null;
  readonly verdict: VerdictAnswer;
  readonly paths: readonly PathAnswer[];
  readonly divergences: readonly { readonly object: ObjectAnswer; readonly difference: string; readonly text: string; readonly decisive: boolean }[];
  readonly trails: readonly { readonly node: string; readonly lines: readonly string[] }[];
}

export interface VerdictAnswer {
  readonly outcome: string;
  readonly to: string | null;
  readonly reason: string;
  readonly fix: string | null;
  readonly object: ObjectAnswer | null;
}

export interface PathAnswer {
  readonly backend: string | null;
  readonly share: number;
  readonly forward: readonly HopAnswer[];
  readonly reply: readonly HopAnswer[];
  readonly verdict: VerdictAnswer;
}

export interface HopAnswer {
  readonly kind: string;
  readonly place: { readonly node: string | null; readonly title: string };
  readonly device: string | null;
  readonly text: string;
  readonly after: PacketAnswer;
  readonly object: ObjectAnswer | null;
}

export interface PacketAnswer {
  readonly source: string;
  readonly destination: string;
  readonly transport: string;
  readonly sourcePort: number | null;
  readonly destinationPort: number | null;
  readonly ttl: number;
  readonly mark: number;
  readonly outer: { readonly source: string; readonly destination: string; readonly port: number; readonly vni: number | null } | null;
}

export interface ObjectAnswer {
  readonly node: string;
  readonly key: string;
  readonly origin: Readonly<Record<string, string>> | null;
}

/** What `reach` answers, flow by flow. */
export interface ReachedAnswer {
  readonly from: string;
  readonly to: string;
  readonly node: string | null;
  readonly outcome: string;
  readonly reason: string;
  readonly delivered: number;
  readonly paths: number;
}

/** What a plan would do to a flow. */
export interface FlowChangeAnswer {
  readonly from: string;
  readonly to: string;
  readonly node: string | null;
  readonly before: string | null;
  readonly after: string | null;
  readonly text: string;
}
