import type { NodeState, StateDelta } from '@portolan/node-state';
import { type Static, Type } from 'typebox';

export * from './join.js';
export * from './versions.js';

/** Version of everything in this package; an agent sends it with each request, a control plane refuses what it cannot read. */
export const PROTOCOL_VERSION = 4;

/**
 * What a control plane can still work with: the agents of the release before. An answer to an agent has the version that the agent asked
 * with, and a state holds nothing that this version does not know.
 */
export const OLDEST_PROTOCOL_VERSION = 3;

/** Paths of the agents' API below the base URL of a control plane. */
export const agentPaths = {
  state: (cluster: string, node: string): string => `/v1/agents/${encodeURIComponent(cluster)}/${encodeURIComponent(node)}/state`,
  reports: (cluster: string, node: string): string => `/v1/agents/${encodeURIComponent(cluster)}/${encodeURIComponent(node)}/reports`,
  /** A control plane that is older than this path answers 404. */
  traffic: (cluster: string, node: string): string => `/v1/agents/${encodeURIComponent(cluster)}/${encodeURIComponent(node)}/traffic`,
} as const;

/** Headers of both answers of `GET state`, 200 and 304: the numbers may have moved where the state has not. Decimal. */
export const agentHeaders = {
  generation: 'portolan-generation',
  revision: 'portolan-revision',
  /** Header of the agent's requests: PROTOCOL_VERSION. */
  protocol: 'portolan-protocol',
} as const;

/**
 * BullMQ queue of a node. Names hold no ":", which BullMQ uses itself, and no "/": it stands for the dots of a name, so that node `b.c` of
 * cluster `a` and node `c` of cluster `a.b` have two queues.
 */
export function nodeQueueName(cluster: string, node: string): string {
  return ['portolan', cluster, node].map((part) => part.replaceAll('.', '/')).join('.');
}

/** Keys in etcd. */
export const etcdKeys = {
  /** Holds the newest computed revision of a cluster; agents watch it. Value: decimal revision. */
  revision: (cluster: string): string => `/portolan/v1/${cluster}/revision`,
  /** Prefix of the liveness keys of a cluster. */
  alivePrefix: (cluster: string): string => `/portolan/v1/${cluster}/alive/`,
  /** Held by an agent with a lease of `LIVENESS_TTL_SECONDS`; gone means down. Value: JSON Liveness. */
  alive: (cluster: string, node: string): string => `/portolan/v1/${cluster}/alive/${node}`,
} as const;

/** A dead agent shows as down at most this many seconds after its last keep-alive. */
export const LIVENESS_TTL_SECONDS = 6;

export interface Liveness {
  readonly version: string;
  readonly startedAt: string;
  readonly pid: number;
}

/** Payload of a job: a hint that there is something newer, never the truth. `jobId` is the row in Postgres. */
export interface SyncHint {
  readonly jobId: string;
  readonly generation: number;
  readonly revision: number;
  /** Id of the node; left out by control planes that know no delta. */
  readonly nodeId?: string;
  /** Where it is small: what leads there from the generation before. An agent that holds another base, or a state that does not get its hash by it, asks for the whole. */
  readonly delta?: StateDelta;
}

/** Answer of `GET state`. ETag is the hash of the state; with If-None-Match an equal state answers 304 with the headers only. */
export interface DesiredState {
  readonly protocol: number;
  /** Id of the node. One that was deleted and made again under its name is another node, whose generations begin anew. */
  readonly nodeId: string;
  /** Grows by one each time the state of this node changes. Agents refuse older ones of the same node. */
  readonly generation: number;
  /** Revision of the intent that the state was computed from. */
  readonly revision: number;
  readonly state: NodeState;
}

/** A field that this version does not know is refused, not lost. */
const closed = { additionalProperties: false } as const;

const CommandSchema = Type.Object(
  {
    space: Type.String({ description: 'Network namespace it ran in.' }),
    command: Type.String({ description: 'Command line.' }),
    input: Type.String({ description: 'Standard input, cut after 64 KiB.' }),
    exitCode: Type.Integer(),
    stdout: Type.String(),
    stderr: Type.String(),
    milliseconds: Type.Number(),
  },
  closed,
);
export type CommandRecord = Static<typeof CommandSchema>;

/** The process that an error is about. */
const FailedCommandSchema = Type.Object({ command: Type.String(), exitCode: Type.Integer(), stderr: Type.String() }, closed);

const ObservedObjectSchema = Type.Object(
  {
    key: Type.String(),
    hash: Type.String(),
    space: Type.String(),
    kind: Type.String(),
    body: Type.Optional(Type.Any()),
  },
  closed,
);

/** Something of ours in a kernel that is not, or was not, as it was applied, without anybody having wanted that. */
const driftFields = {
  /** Of the object; of an obstruction: `obstructed/SPACE/CHAIN`. */
  key: Type.String(),
  /** obstructed: ours is as it should be, but a foreign rule before it swallows traffic. */
  kind: Type.Union([Type.Literal('missing'), Type.Literal('unexpected'), Type.Literal('different'), Type.Literal('obstructed')]),
  /** For people. */
  reason: Type.String(),
  /** Body of the object as it should be; left out where there should be none. */
  expected: Type.Optional(Type.Any()),
  /** Body as it was found, or the text of a foreign rule; left out where nothing was found, or where only its hash is known. */
  found: Type.Optional(Type.Any()),
  /** When the agent first saw it. */
  since: Type.String({ format: 'date-time' }),
};
const DriftSchema = Type.Object(driftFields, closed);
export type Drift = Static<typeof DriftSchema>;

/** What an agent sees besides its kernel; it changes more often than that. */
export const SignalsSchema = Type.Object(
  {
    /** Of endpoints with a health check that were probed often enough to tell. */
    health: Type.Record(Type.String(), Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy')])),
    /** By id of a silent node: whether its host answers this one. */
    reachable: Type.Record(Type.String(), Type.Boolean()),
    /** By id of a draining endpoint: connections that it has accepted and that are established. */
    connections: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
    /** Of the interface with the node's address, in bytes; left out when there is none. */
    underlayMtu: Type.Optional(Type.Integer({ minimum: 1 })),
    /** Name of that interface. */
    underlayLink: Type.Optional(Type.String({ maxLength: 15 })),
    /** Subnets that the host reaches without a gateway, those of our own links left out, in ascending order. */
    onLink: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
    /** Counters of the relay of flannel's udp backend since it began; left out where there is none. It does not make a report by itself more often than every 10 s. */
    relay: Type.Optional(
      Type.Object(
        {
          /** Packets from containers that were sent to peers, and the reverse. */
          sent: Type.Integer({ minimum: 0 }),
          received: Type.Integer({ minimum: 0 }),
          sentBytes: Type.Integer({ minimum: 0 }),
          receivedBytes: Type.Integer({ minimum: 0 }),
          /** By reason: noRoute (answered with ICMP), ttl, malformed, tooLong, refused (the kernel did not take it). */
          dropped: Type.Record(Type.String(), Type.Integer({ minimum: 0 })),
          /** Bytes that wait in the receive buffer of the UDP socket. */
          queued: Type.Integer({ minimum: 0 }),
        },
        closed,
      ),
    ),
    /** Of the VIPs of the state (`watch.vips`) that were dialled after their way was changed: from which revision on, and whether they answered. */
    vips: Type.Optional(Type.Record(Type.String(), Type.Object({ revision: Type.Integer({ minimum: 0 }), answers: Type.Boolean() }, closed))),
  },
  closed,
);
export type Signals = Static<typeof SignalsSchema>;

export const noSignals: Signals = { health: {}, reachable: {}, connections: {} };

/**
 * Tells which of two reports of a node is the newer one: `start` decides, then `count`. `start` grows with each start of an agent, also where its disk or its
 * clock was lost: it is a time of day in milliseconds since 1970 where nothing says otherwise. `count` numbers what one start says, from 1.
 */
export const ReportOrderSchema = Type.Object({ start: Type.Integer({ minimum: 0 }), count: Type.Integer({ minimum: 1 }) }, closed);
export type ReportOrder = Static<typeof ReportOrderSchema>;

export function isLater(one: ReportOrder, other: ReportOrder): boolean {
  return one.start === other.start ? one.count > other.count : one.start > other.start;
}

/** What an agent says after each run of its loop in which something changed or was asked for. */
export const ReportSchema = Type.Object(
  {
    protocol: Type.Integer(),
    agentVersion: Type.String(),
    /** Since protocol 4. A report that is not later than one that was taken is not taken. One without is always taken. */
    order: Type.Optional(ReportOrderSchema),
    /** Job that asked for it, if one did. */
    jobId: Type.Optional(Type.String()),
    generation: Type.Integer({ minimum: 0 }),
    revision: Type.Integer({ minimum: 0 }),
    /** Hash of the node state that was applied. */
    stateHash: Type.String(),
    /** applied: everything is there but what waits. failed: something is not; see errors. */
    status: Type.Union([Type.Literal('applied'), Type.Literal('failed')]),
    startedAt: Type.String(),
    finishedAt: Type.String(),
    /** Steps of the plan that ran, by key and action, with the reason. Empty when nothing had to be written. */
    steps: Type.Array(Type.Object({ action: Type.String(), key: Type.String(), reason: Type.String() }, closed)),
    commands: Type.Array(CommandSchema),
    errors: Type.Array(
      Type.Object(
        {
          code: Type.String(),
          message: Type.String(),
          fix: Type.String(),
          key: Type.Optional(Type.String()),
          command: Type.Optional(FailedCommandSchema),
        },
        closed,
      ),
    ),
    /**
     * Since protocol 4. open: everything that is not as it was applied at the moment. repaired: what was and has been mended, each told at
     * least once; `since` tells two times of one object apart.
     */
    drift: Type.Optional(
      Type.Object(
        {
          open: Type.Array(DriftSchema),
          repaired: Type.Array(Type.Object({ ...driftFields, repairedAt: Type.String({ format: 'date-time' }) }, closed)),
        },
        closed,
      ),
    ),
    /** Keys that wait for a namespace that is absent, or that cannot be made in that of an endpoint, which is absent then; see errors. */
    waiting: Type.Array(Type.String()),
    /** present: its namespace is there and holds everything that it should. */
    endpoints: Type.Record(Type.String(), Type.Union([Type.Literal('present'), Type.Literal('absent')])),
    signals: SignalsSchema,
    observed: Type.Object(
      {
        hash: Type.String(),
        /** Left out when the hash is that of the report before. */
        objects: Type.Optional(Type.Array(ObservedObjectSchema)),
        foreign: Type.Array(Type.Object({ space: Type.String(), text: Type.String() }, closed)),
      },
      closed,
    ),
    /** Kernel release, tools and their versions, backend of iptables; what is missing is in errors. */
    facts: Type.Record(Type.String(), Type.String()),
  },
  closed,
);
export type Report = Static<typeof ReportSchema>;

/** Answer to a report. */
export interface ReportAnswer {
  /** The newest generation that the control plane has for the node; larger than the report's: ask again. */
  readonly generation: number;
  /** True when the control plane does not hold the observed objects of this hash: send them next time. */
  readonly wantsObjects: boolean;
  /**
   * There is a later report of the node, so this one was not taken. Who said it last and is told so says it again, with a later `start`
   * than this one. Control planes say it since protocol 4.
   */
  readonly overtakenBy?: ReportOrder;
}

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** What IPVS of one node has counted of one real server since it was put there. Numbers as the kernel has them: they begin at 0 when it is made anew. */
const ServerTrafficSchema = Type.Object(
  {
    space: Type.String({ maxLength: 64, description: 'Network namespace of the load balancer.' }),
    mark: Type.Integer({ minimum: 1, maximum: 0xffffffff, description: 'Of the virtual server.' }),
    address: Type.String({ maxLength: 15, description: 'Of the real server.' }),
    connections: Type.Integer({ ...count, description: 'Connections that were scheduled to it; modulo 2^32, as the packets are.' }),
    active: count,
    inactive: count,
    inPackets: count,
    outPackets: count,
    inBytes: count,
    outBytes: count,
  },
  closed,
);
export type ServerTraffic = Static<typeof ServerTrafficSchema>;

/**
 * What an agent says now and then of the traffic that its node balances. Nothing is decided by it, nobody waits for it, and one that is lost is
 * followed by another; so it is apart from reports. Since protocol 4, where the control plane has `agentPaths.traffic`.
 */
export const TrafficReadingSchema = Type.Object(
  {
    protocol: Type.Integer(),
    /** When it was read, by the clock of the agent. */
    at: Type.String({ format: 'date-time' }),
    /** Those that have counted nothing and have no connection are left out. */
    servers: Type.Array(ServerTrafficSchema, { maxItems: 65_536 }),
  },
  closed,
);
export type TrafficReading = Static<typeof TrafficReadingSchema>;
