import type { ResultOf } from '@graphql-typed-document-node/core';
import { graphql } from '../../api/generated/index.js';

export const ChartDocument = graphql(`
  query Chart($cluster: String!) {
    cluster(name: $cluster) {
      revision
      nodes {
        name
        address
        condition
        flannelLease {
          subnet
        }
        status {
          alive
          appliedRevision
          degraded {
            since
          }
        }
      }
      flannel {
        network
        backend {
          type
        }
      }
      networks {
        name
        vni
        subnet
        ingress
      }
      services {
        name
        networks {
          vip
          mark
          network {
            name
            ingress
          }
        }
        ports {
          published
          target
          protocol
        }
        endpoints {
          name
          traffic
          node {
            name
          }
        }
      }
    }
  }
`);

export type Cluster = NonNullable<ResultOf<typeof ChartDocument>['cluster']>;
