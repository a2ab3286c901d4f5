import type { EndpointFlannel, FlannelLease } from '@portolan/model';
import type { Builder } from './builder.js';
import type { NounRefs } from './value-types.js';
import type { ClusterView } from './views.js';

export interface LeaseView {
  readonly view: ClusterView;
  readonly lease: FlannelLease;
}

/** What nodes and endpoints have of the flannel network. */
export function flannelParts(builder: Builder, { node }: NounRefs) {
  const lease = builder.objectRef<LeaseView>('FlannelLease').implement({
    description: "An entry of flannel's registry, as it was last read. How long it lasts and what the kernel has is in flannel.status.",
    fields: (t) => ({
      key: t.string({ description: 'Name of its key in the registry.', resolve: ({ lease: { key } }) => key }),
      subnet: t.string({ nullable: true, description: 'null where the key cannot be read.', resolve: ({ lease: { subnet } }) => subnet }),
      node: t.field({
        type: node,
        nullable: true,
        description: 'null: a foreign node, or unreadable.',
        resolve: ({ view, lease: { nodeId } }) => {
          const noun = nodeId === null ? undefined : view.snapshot.nodes.get(nodeId);
          return noun === undefined ? null : view.of<'node'>(noun);
        },
      }),
      foreign: t.boolean({ resolve: ({ lease: { nodeId, fault } }) => nodeId === null && fault === null }),
      publicAddress: t.string({ nullable: true, description: 'Where packets to the subnet are sent.', resolve: ({ lease: own }) => own.publicAddress }),
      backendType: t.string({ description: 'As in the registry; udp where it names none.', resolve: ({ lease: { backendType } }) => backendType }),
      vni: t.int({ nullable: true, resolve: ({ lease: { vni } }) => vni }),
      vtepMac: t.string({ nullable: true, resolve: ({ lease: { vtepMac } }) => vtepMac }),
      reserved: t.boolean({ description: 'It has no end.', resolve: ({ lease: { reserved } }) => reserved }),
      fault: t.string({ nullable: true, description: 'What is wrong with the entry.', resolve: ({ lease: { fault } }) => fault }),
    }),
  });
  const place = builder.objectRef<EndpointFlannel>('EndpointFlannel').implement({
    description: 'The place of an endpoint in the flannel network.',
    fields: (t) => ({
      address: t.string({ nullable: true, description: 'null until its node has a subnet.', resolve: ({ address }) => address }),
      fixed: t.boolean({ description: 'A person chose the address.', resolve: ({ fixed }) => fixed }),
    }),
  });
  return { lease, place };
}
