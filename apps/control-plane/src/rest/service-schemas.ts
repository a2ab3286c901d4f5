import { NameSchema } from '@portolan/model';
import { type TProperties, type TSchema, Type } from 'typebox';
import { programmedStates } from '../application/programmed.js';

const closed = { additionalProperties: false } as const;
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);
const count = (description: string): TSchema => Type.Integer({ minimum: 0, description });
const time = (description: string): TSchema => Type.String({ format: 'date-time', description });

const counted: TProperties = {
  connections: count('Connections that were scheduled since the real servers were made.'),
  perSecond: nullable(Type.Number({ minimum: 0, description: 'Of them in a second, between the two newest readings; null where there are no two.' })),
  active: count('Connections that are there now.'),
  inactive: count('Connections that have ended and are not yet forgotten.'),
  inPackets: count('From clients.'),
  outPackets: count('To clients; 0 with direct server return.'),
  inBytes: count('From clients.'),
  outBytes: count('To clients; 0 with direct server return.'),
};

export const serviceComponents = {
  ServiceTraffic: Type.Object(
    {
      service: NameSchema,
      ...counted,
      readAt: nullable(time('Of the newest reading, by the clock of its agent; null where no agent has told any.')),
      backends: Type.Array(
        Type.Object({ endpoint: NameSchema, ...counted, share: Type.Number({ description: 'Of the connections of the service, in percent.' }) }, closed),
        { description: 'Every endpoint of the service.' },
      ),
      nodes: Type.Array(
        Type.Object(
          {
            node: NameSchema,
            readAt: time('By the clock of its agent.'),
            ...counted,
            backends: Type.Array(Type.Object({ endpoint: NameSchema, ...counted }, closed), { description: 'Those that this node has sent anything.' }),
          },
          closed,
        ),
        { description: 'The nodes that have told.' },
      ),
    },
    { ...closed, description: 'What IPVS of all nodes has counted of a service, as their agents read it last.' },
  ),
  ProgrammedPlace: Type.Object(
    {
      node: NameSchema,
      network: NameSchema,
      space: Type.String({ description: 'Network namespace.' }),
      mark: Type.Integer({ minimum: 1 }),
      local: Type.Boolean({ description: "Whether it balances among the node's own endpoints only." }),
      virtualServer: Type.Unsafe({
        ...Type.Union(programmedStates.map((state) => Type.Literal(state))),
        description: 'unknown: the node has not reported.',
      }),
      realServers: nullable(count('That are there as they should be; null: the node has not reported.')),
      wantedRealServers: count('That should be there.'),
      faults: Type.Array(Type.String(), { description: 'Keys of what is missing, different, or there although it should not be.' }),
      computedRevision: count('Newest revision that is computed for the node.'),
      appliedRevision: count('Newest revision that the node has applied.'),
    },
    { ...closed, description: 'One virtual server of a service on one node.' },
  ),
} as const satisfies Record<string, TSchema>;
