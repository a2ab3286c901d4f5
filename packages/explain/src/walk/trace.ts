import type { Ipv4 } from '@portolan/model';
import type { ObjectKind } from '@portolan/node-state';
import type { Hop, HopKind, ObjectRef, PacketHeaders, Place, RuleEffect } from '../explanation.js';
import type { Thing, World } from '../world.js';
import { type End, Ended } from './ended.js';
import { keyOf, type SpaceView } from './space.js';
import { outside, placeOf } from './titles.js';
import type { Connection } from './tuple.js';

/** A real server that a new connection may be given to. */
export interface Candidate {
  readonly address: Ipv4;
  /** Of new connections, 0 to 1. */
  readonly share: number;
}

/** Says which of several real servers this walk follows. */
export type Choose = (candidates: readonly Candidate[]) => Ipv4;

/** Something that is not as it should be, which the packet gets past and its answer perhaps does not. */
export type Suspect = Omit<End, 'outcome'>;

/** A packet on its way, and the hops that it has made. */
export class Trace {
  readonly hops: Hop[] = [];

  constructor(
    readonly world: World,
    public packet: PacketHeaders,
    /** Connections that the namespaces know: noted by a packet, read by its answer. */
    readonly connections: Connection[],
    readonly suspects: Suspect[],
    readonly choose: Choose,
    /** The answer of a connection. */
    readonly isReply: boolean,
  ) {}

  /** Notes a hop that leaves the packet as it is, or as `after` has it then. `view`: null outside the cluster. */
  note(kind: HopKind, view: SpaceView | null, text: string, more: Partial<Pick<Hop, 'device' | 'effect' | 'object' | 'after' | 'place'>> = {}): void {
    const before = this.packet;
    const after = more.after ?? before;
    const place = more.place ?? (view === null ? outside : this.placeOf(view));
    this.hops.push({ kind, place, device: more.device ?? null, text, effect: more.effect ?? null, before, after, object: more.object ?? null });
    this.packet = after;
  }

  rule(effect: RuleEffect, view: SpaceView, thing: Thing, text: string, change: Partial<PacketHeaders> = {}): void {
    this.note('rule', view, text, { effect, object: refOf(view, thing), after: { ...this.packet, ...change } });
  }

  /** Notes where the packet is lost; to be thrown. */
  ended(view: SpaceView | null, end: End, more: Partial<Pick<Hop, 'device' | 'effect' | 'place'>> = {}): Ended {
    this.note('drop', view, end.reason, { ...more, object: end.object });
    return new Ended(end);
  }

  suspect(suspect: Suspect): void {
    if (!this.isReply || this.suspects.length === 0) this.suspects.push(suspect);
  }

  placeOf(view: SpaceView): Place {
    return placeOf(this.world.snapshot, view.kernel.node, view.space);
  }
}

export function refOf(view: SpaceView, { key, kind, origin }: Thing): ObjectRef {
  return { node: view.kernel.node, key, kind, origin };
}

/** Of an object that is looked for: the one that is there, damaged, or the one that should be. */
export function soughtRef(view: SpaceView, kind: ObjectKind, identity: string): ObjectRef {
  return { node: view.kernel.node, key: keyOf(kind, view.space, identity), kind, origin: view.at(kind, identity)?.origin ?? null };
}

/** `is missing`, or `is damaged` of an object that is there without effect. */
export function lack(view: SpaceView, kind: ObjectKind, identity: string): string {
  return view.at(kind, identity) === undefined ? 'is missing' : 'is damaged';
}
