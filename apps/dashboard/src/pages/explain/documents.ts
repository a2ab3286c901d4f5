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
        service {
          name
        }
      }
    }
  }
`);

/** One question, answered by what should be there, by what was seen, or by both. */
export const ExplainDocument = graphql(`
  query Explain(
    $cluster: String!
    $from: String!
    $to: String!
    $node: String
    $backend: String
    $size: Int
    $df: Boolean
    $byDesired: Boolean!
    $byObserved: Boolean!
  ) {
    cluster(name: $cluster) {
      desired: explain(from: $from, to: $to, node: $node, backend: $backend, size: $size, df: $df) @include(if: $byDesired) {
        ...ExplanationParts
      }
      observed: explain(from: $from, to: $to, node: $node, backend: $backend, size: $size, df: $df, observed: true) @include(if: $byObserved) {
        ...ExplanationParts
      }
    }
  }
  fragment ExplanationParts on Explanation {
    resolution {
      text
    }
    verdict {
      ...VerdictParts
    }
    divergences {
      difference
      decisive
      text
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
    df
    outer {
      source
      destination
      port
      vni
    }
  }
`);

export type Explained = NonNullable<NonNullable<NonNullable<ResultOf<typeof ExplainDocument>['cluster']>['desired']>>;
export type ShownPath = Explained['paths'][number];
export type ShownHop = ShownPath['forward'][number];
export type Headers = ShownHop['after'];
export type ShownVerdict = Explained['verdict'];
export type Choices = NonNullable<ResultOf<typeof ChoicesDocument>['cluster']>;
