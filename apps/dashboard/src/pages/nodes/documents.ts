import { graphql } from '../../api/generated/index.js';

export const NodeDocument = graphql(`
  query Node($cluster: String!, $node: String!) {
    cluster(name: $cluster) {
      revision
      networks {
        id
        name
      }
      node(name: $node) {
        id
        name
        address
        role
        availability
        condition
        underlayLink
        underlayMtu
        endpoints {
          id
          name
        }
        status {
          alive
          generation
          appliedRevision
          lastReportAt
          lastStatus
          failures
          facts
          degraded {
            since
          }
          lastErrors {
            code
            message
            fix
            key
            command {
              command
              exitCode
              stderr
            }
          }
        }
        state {
          objects {
            key
            hash
            space
            kind
            body
            origin
          }
        }
        observed {
          observedAt
          foreign
          objects {
            key
            hash
            space
            kind
            body
          }
        }
        jobs(limit: 20) {
          id
          status
          createdAt
          finishedAt
          revision
          plan {
            steps {
              action
            }
          }
        }
      }
    }
  }
`);
