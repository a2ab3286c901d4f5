import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';

/**
 * What is read of the answers of the Engine API, from 1.41 (Docker 20.10) to 1.52 (29). Further fields are let through, and where Go
 * leaves a list, a map or a text out, writes null or writes an empty one depends on the version: all three are nothing.
 */
function maybe<T extends TSchema>(type: T) {
  return Type.Optional(Type.Union([type, Type.Null()]));
}
const text = maybe(Type.String());
const flag = maybe(Type.Boolean());
const texts = maybe(Type.Record(Type.String(), Type.String()));
const integer = maybe(Type.Integer());

const IpamConfigs = maybe(Type.Array(Type.Object({ Subnet: text, Gateway: text })));
const AttachedContainer = Type.Object({ Name: text, EndpointID: text, MacAddress: text, IPv4Address: text });
const GossipedService = Type.Object({
  Tasks: maybe(Type.Array(Type.Object({ EndpointID: text, Info: texts }))),
});

/** GET /networks/ID?verbose=true */
const EngineNetworkSchema = Type.Object({
  Id: Type.String({ minLength: 1 }),
  Name: Type.String({ minLength: 1 }),
  Driver: text,
  Scope: text,
  EnableIPv6: flag,
  IPAM: maybe(Type.Object({ Config: IpamConfigs })),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  Containers: maybe(Type.Record(Type.String(), AttachedContainer)),
  Options: texts,
  Peers: maybe(Type.Array(Type.Object({ IP: text }))),
  Services: maybe(Type.Record(Type.String(), GossipedService)),
});
export type EngineNetwork = Static<typeof EngineNetworkSchema>;
export const engineNetwork = Compile(EngineNetworkSchema);

const Port = Type.Object({ Protocol: text, TargetPort: integer, PublishedPort: integer, PublishMode: text });
const Ports = maybe(Type.Array(Port));
export type EnginePort = Static<typeof Port>;
const NetworkTargets = maybe(Type.Array(Type.Object({ Target: text, Aliases: maybe(Type.Array(Type.String())) })));
const EndpointMode = maybe(Type.Object({ Mode: text, Ports }));

/** GET /services/ID */
const EngineServiceSchema = Type.Object({
  ID: Type.String({ minLength: 1 }),
  Spec: Type.Object({
    Name: Type.String({ minLength: 1 }),
    TaskTemplate: maybe(Type.Object({ Networks: NetworkTargets })),
    Networks: NetworkTargets,
    EndpointSpec: EndpointMode,
  }),
  Endpoint: maybe(
    Type.Object({
      Spec: EndpointMode,
      Ports,
      VirtualIPs: maybe(Type.Array(Type.Object({ NetworkID: text, Addr: text }))),
    }),
  ),
});
export type EngineService = Static<typeof EngineServiceSchema>;
export const engineService = Compile(EngineServiceSchema);

const DriverState = maybe(Type.Object({ Name: text, Options: texts }));
const Attachment = Type.Object({
  Network: maybe(
    Type.Object({
      ID: text,
      Spec: maybe(
        Type.Object({
          Name: text,
          Ingress: flag,
          Internal: flag,
          Attachable: flag,
          IPv6Enabled: flag,
          DriverConfiguration: DriverState,
        }),
      ),
      DriverState,
      IPAMOptions: maybe(Type.Object({ Configs: IpamConfigs })),
    }),
  ),
  Addresses: maybe(Type.Array(Type.String())),
});
export type EngineAttachment = Static<typeof Attachment>;

/** GET /tasks/ID */
const EngineTaskSchema = Type.Object({
  ID: Type.String({ minLength: 1 }),
  ServiceID: text,
  Slot: integer,
  NodeID: text,
  DesiredState: text,
  Status: maybe(
    Type.Object({
      State: text,
      ContainerStatus: maybe(Type.Object({ ContainerID: text })),
      PortStatus: maybe(Type.Object({ Ports })),
    }),
  ),
  NetworksAttachments: maybe(Type.Array(Attachment)),
});
export type EngineTask = Static<typeof EngineTaskSchema>;
export const engineTask = Compile(EngineTaskSchema);

/** GET /nodes/ID */
const EngineNodeSchema = Type.Object({
  ID: Type.String({ minLength: 1 }),
  Spec: maybe(Type.Object({ Role: text, Availability: text })),
  Description: maybe(Type.Object({ Hostname: text, Engine: maybe(Type.Object({ EngineVersion: text })) })),
  Status: maybe(Type.Object({ State: text, Addr: text })),
  ManagerStatus: maybe(Type.Object({ Addr: text })),
});
export type EngineNode = Static<typeof EngineNodeSchema>;
export const engineNode = Compile(EngineNodeSchema);
