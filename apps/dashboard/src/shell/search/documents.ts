import type { ResultOf } from '@graphql-typed-document-node/core';
import { graphql } from '../../api/generated/index.js';

export const SearchDocument = graphql(`
  query Search($cluster: String!) {
    cluster(name: $cluster) {
      nodes {
        name
        address
        flannelLease {
          subnet
        }
        loadBalancers {
          address
          network {
            name
          }
        }
      }
      networks {
        id
        name
        vni
        subnet
        gateway
        ingress
      }
      services {
        name
        networks {
          vip
          mark
          network {
            name
          }
        }
        ports {
          published
          target
          protocol
        }
      }
      endpoints {
        id
        name
        gatewayAddress
        flannel {
          address
        }
        addresses {
          address
          network {
            name
          }
        }
        node {
          name
        }
        service {
          name
        }
      }
    }
  }
`);

export type Searched = NonNullable<ResultOf<typeof SearchDocument>['cluster']>;
