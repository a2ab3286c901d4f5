import type { ResultOf } from '@graphql-typed-document-node/core';
import { graphql } from '../../api/generated/index.js';

export const ChoicesDocument = graphql(`
  query Choices($cluster: String!) {
    cluster(name: $cluster) {
      nodes {
        name
      }
      services {
        name
        ports {
          published
          target
          protocol
        }
      }
      endpoints {
        name
      }
    }
  }
`);

export const ExplainDocument = graphql(`
  query Explain($cluster: String!, $from: String!, $to: String!, $node: String, $observed: Boolean, $size: Int) {
    cluster(name: $cluster) {
      explain(from: $from, to: $to, node: $node, observed: $observed, size: $size) {
        view
        resolution {
          text
        }
        verdict {
          ...VerdictParts
        }
        divergences {
          difference
          decisive
          object {
            node
            key
            origin
          }
        }
        trails {
          node
          registryKey
          lines
        }
        paths {
          backend
          share
          verdict {
            ...VerdictParts
          }
          forward {
            ...HopParts
          }
          reply {
            ...HopParts
          }
        }
      }
    }
  }
  fragment VerdictParts on Verdict {
    outcome
    to
    hop
    inReply
    reason
    fix
    object {
      node
      key
      origin
    }
  }
  fragment HopParts on Hop {
    kind
    device
    text
    place {
      node
      space
      title
    }
    object {
      node
      key
      origin
    }
    before {
      ...PacketParts
    }
    after {
      ...PacketParts
    }
  }
  fragment PacketParts on PacketHeaders {
    source
    destination
    transport
    sourcePort
    destinationPort
    ttl
    mark
    size
    outer {
      source
      destination
      port
      vni
    }
  }
`);

export type Explained = NonNullable<NonNullable<ResultOf<typeof ExplainDocument>['cluster']>['explain']>;
export type ShownPath = Explained['paths'][number];
export type ShownHop = ShownPath['forward'][number];
export type Headers = ShownHop['after'];
